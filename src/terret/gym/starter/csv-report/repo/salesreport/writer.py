"""Writes totals as a table for people and as CSV for other programs."""


def write_table(totals):
    width = max([len("customer"), *(len(total.customer) for total in totals)])
    lines = [f"{'customer':<{width}}  orders      amount"]
    lines += [f"{total.customer:<{width}}  {total.orders:>6}  {total.amount:>10.2f}" for total in totals]
    return "\n".join(lines) + "\n"


def write_csv(totals):
    lines = ["customer,orders,amount"]
    lines += [f"{total.customer},{total.orders},{total.amount:.2f}" for total in totals]
    return "\n".join(lines) + "\n"
