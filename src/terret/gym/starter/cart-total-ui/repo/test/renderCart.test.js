import assert from "node:assert/strict";
import { test } from "node:test";

import { renderCart } from "../src/renderCart.js";

const tea = { sku: "T1", name: "Tea", cents: 450, quantity: 2 };
const cups = { sku: "C7", name: "Cups (set of 6)", cents: 3990, quantity: 1 };
const sofa = { sku: "S3", name: "Sofa", cents: 124900, quantity: 1 };

test("an empty cart says so", () => {
  assert.equal(renderCart({ lines: [] }), '<p class="empty">Your cart is empty.</p>');
});

test("the total is the sum of the lines", () => {
  assert.match(renderCart({ lines: [tea, cups] }), /<strong class="total">\$48\.90<\/strong>/);
});

test("a coupon shows subtotal, discount and total", () => {
  const html = renderCart({ lines: [tea, cups], coupon: { code: "SPRING", percent: 10 } });
  assert.match(html, /<span class="subtotal">\$48\.90<\/span>/);
  assert.match(html, /<span class="discount" title="SPRING">-\$4\.89<\/span>/);
  assert.match(html, /<strong class="total">\$44\.01<\/strong>/);
});

test("items are counted by quantity", () => {
  assert.match(renderCart({ lines: [tea, cups] }), /3 items/);
  assert.match(renderCart({ lines: [cups] }), /1 item</);
});

test("the total of an expensive cart", () => {
  assert.match(renderCart({ lines: [sofa, tea] }), /<strong class="total">\$1,258\.00<\/strong>/);
});
