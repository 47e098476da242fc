import assert from "node:assert/strict";
import { test } from "node:test";

import { createAuthService } from "../src/authService.js";
import { createUserStore } from "../src/userStore.js";

function service(options = {}) {
  return createAuthService({ users: createUserStore(), ...options });
}

test("the right password signs in", () => {
  assert.deepEqual(service().authenticate("alice", "correct-password"), { ok: true, user: "alice" });
});

test("a wrong password and an unknown user look the same", () => {
  const invalid = { ok: false, reason: "invalid" };
  assert.deepEqual(service().authenticate("alice", "wrong-password"), invalid);
  assert.deepEqual(service().authenticate("nobody", "wrong-password"), invalid);
});

test("spaces in a password count", () => {
  assert.equal(service().authenticate("bob", "  padded  ").ok, true);
  assert.equal(service().authenticate("bob", "padded").ok, false);
});

test("an account locks after too many failures in a row", () => {
  const auth = service({ maxFailures: 2 });
  auth.authenticate("alice", "no");
  auth.authenticate("alice", "no");
  assert.equal(auth.failuresOf("alice"), 2);
  assert.deepEqual(auth.authenticate("alice", "correct-password"), { ok: false, reason: "locked" });
});

test("a success resets the count", () => {
  const auth = service();
  auth.authenticate("alice", "no");
  auth.authenticate("alice", "correct-password");
  assert.equal(auth.failuresOf("alice"), 0);
});
