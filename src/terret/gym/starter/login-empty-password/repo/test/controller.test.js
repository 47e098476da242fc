import assert from "node:assert/strict";
import { test } from "node:test";

import { createAuthService } from "../src/authService.js";
import { createController } from "../src/controller.js";
import { createUserStore } from "../src/userStore.js";

function controller() {
  return createController({ authService: createAuthService({ users: createUserStore() }) });
}

test("matching credentials give 200", () => {
  const response = controller().login({ username: "alice", password: "correct-password" });
  assert.deepEqual(response, { status: 200, body: { ok: true, user: "alice" } });
});

test("a wrong password gives 401", () => {
  const response = controller().login({ username: "alice", password: "wrong-password" });
  assert.deepEqual(response, { status: 401, body: { ok: false, errors: ["Invalid credentials."] } });
});

test("an incomplete request gives 400 and never reaches the auth service", () => {
  const authService = { authenticate: () => assert.fail("consulted") };
  const response = createController({ authService }).login({ password: "x" });
  assert.deepEqual(response, { status: 400, body: { ok: false, errors: ["Username is required."] } });
});
