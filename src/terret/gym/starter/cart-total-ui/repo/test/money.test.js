import assert from "node:assert/strict";
import { test } from "node:test";

import { discountCents } from "../src/discount.js";
import { formatCents } from "../src/money.js";

test("cents are always two digits", () => {
  assert.equal(formatCents(0), "$0.00");
  assert.equal(formatCents(5), "$0.05");
  assert.equal(formatCents(1250), "$12.50");
});

test("thousands are grouped and the sign stands first", () => {
  assert.equal(formatCents(123456), "$1,234.56");
  assert.equal(formatCents(-123456789), "-$1,234,567.89");
});

test("half a cent of discount goes to the customer", () => {
  assert.equal(discountCents(1005, { code: "X", percent: 10 }), 101);
  assert.equal(discountCents(1005, null), 0);
  assert.equal(discountCents(100, { code: "X", percent: 150 }), 100);
});
