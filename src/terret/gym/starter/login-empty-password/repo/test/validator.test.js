import assert from "node:assert/strict";
import { test } from "node:test";

import { validateLogin } from "../src/validator.js";

test("a complete request has no errors", () => {
  const { errors, value } = validateLogin({ username: "alice", password: "secret" });
  assert.deepEqual(errors, []);
  assert.deepEqual(value, { username: "alice", password: "secret" });
});

test("the user name is trimmed and must not be blank", () => {
  assert.equal(validateLogin({ username: " alice ", password: "x" }).value.username, "alice");
  assert.deepEqual(validateLogin({ username: "   ", password: "x" }).errors, ["Username is required."]);
});

test("missing fields are reported in order", () => {
  assert.deepEqual(validateLogin(undefined).errors, ["Username is required.", "Password is required."]);
  assert.deepEqual(validateLogin({ username: "alice" }).errors, ["Password is required."]);
});

test("a password is taken as typed", () => {
  assert.equal(validateLogin({ username: "bob", password: "  padded  " }).value.password, "  padded  ");
});
