/** The discount of a coupon in cents; half a cent is rounded up, in favour of the customer. */
export function discountCents(subtotal, coupon) {
  if (!coupon) {
    return 0;
  }
  return Math.min(subtotal, Math.round((subtotal * coupon.percent) / 100));
}
