"""Weekly sales report per customer."""
