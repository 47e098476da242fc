/** Whole cents as people read them: 123456 is "$1,234.56", -50 is "-$0.50". */
export function formatCents(cents) {
  const sign = cents < 0 ? "-" : "";
  const whole = Math.floor(Math.abs(cents) / 100);
  const rest = String(Math.abs(cents) % 100).padStart(2, "0");
  return `${sign}$${whole.toString().replace(/\B(?=(\d{3})+$)/g, ",")}.${rest}`;
}
