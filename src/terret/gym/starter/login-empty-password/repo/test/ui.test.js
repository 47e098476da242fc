import assert from "node:assert/strict";
import { test } from "node:test";

import { renderPage } from "../src/ui.js";

test("the form keeps the user name, escaped", () => {
  assert.match(renderPage({ username: 'a"b' }), /value="a&quot;b"/);
});

test("errors are listed above the form", () => {
  const page = renderPage({ username: "alice", body: { ok: false, errors: ["Invalid credentials."] } });
  assert.match(page, /^<ul class="errors" role="alert"><li>Invalid credentials\.<\/li><\/ul>\n<form/);
});

test("a successful sign-in shows no form", () => {
  assert.equal(renderPage({ body: { ok: true, user: "alice" } }), '<p class="welcome">Signed in as alice.</p>');
});
