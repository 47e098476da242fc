import { escapeHtml } from "./escape.js";
import { formatCents } from "./money.js";

/** One row of the cart. */
export function renderLine(line) {
  const name = escapeHtml(line.name);
  return [
    `<tr data-sku="${line.sku}">`,
    `<td class="name">${name}</td>`,
    `<td class="quantity">${line.quantity}</td>`,
    `<td class="amount">${formatCents(line.cents * line.quantity)}</td>`,
    `<td><button aria-label="Remove ${line.name}">&times;</button></td>`,
    "</tr>",
  ].join("");
}

/** What a rendered row adds to the subtotal. */
export function amountOf(row) {
  const [, amount] = row.match(/class="amount">\$([\d.]+)/);
  return Number(amount);
}
