import { discountCents } from "./discount.js";
import { escapeHtml } from "./escape.js";
import { formatCents } from "./money.js";
import { amountOf, renderLine } from "./renderLine.js";

/** The cart as an HTML string. */
export function renderCart({ lines, coupon = null }) {
  if (lines.length === 0) {
    return '<p class="empty">Your cart is empty.</p>';
  }
  const rows = lines.map(renderLine);
  const subtotal = Math.round(rows.reduce((sum, row) => sum + amountOf(row), 0) * 100);
  const discount = discountCents(subtotal, coupon);
  return [
    '<table class="cart">',
    ...rows,
    "</table>",
    renderSummary({ lines, coupon, subtotal, discount }),
  ].join("\n");
}

function renderSummary({ lines, coupon, subtotal, discount }) {
  const parts = [`<span class="count">${countOf(lines)}</span>`];
  if (coupon) {
    parts.push(`<span class="subtotal">${formatCents(subtotal)}</span>`);
    parts.push(`<span class="discount" title="${escapeHtml(coupon.code)}">${formatCents(-discount)}</span>`);
  }
  parts.push(`<strong class="total">${formatCents(subtotal - discount)}</strong>`);
  return `<p class="summary">${parts.join("")}</p>`;
}

function countOf(lines) {
  const count = lines.reduce((sum, line) => sum + line.quantity, 0);
  return count === 1 ? "1 item" : `${count} items`;
}
