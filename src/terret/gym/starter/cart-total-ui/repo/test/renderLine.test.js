import assert from "node:assert/strict";
import { test } from "node:test";

import { renderLine } from "../src/renderLine.js";

test("a row shows name, quantity and amount", () => {
  const html = renderLine({ sku: "T1", name: "Tea", cents: 450, quantity: 2 });
  assert.match(html, /^<tr data-sku="T1"><td class="name">Tea<\/td><td class="quantity">2<\/td>/);
  assert.match(html, /<td class="amount">\$9\.00<\/td>/);
  assert.match(html, /aria-label="Remove Tea"/);
});

test("markup in a name is shown as text", () => {
  const html = renderLine({ sku: "T2", name: "Tea <loose> & Milk", cents: 450, quantity: 1 });
  assert.match(html, /<td class="name">Tea &lt;loose&gt; &amp; Milk<\/td>/);
});
