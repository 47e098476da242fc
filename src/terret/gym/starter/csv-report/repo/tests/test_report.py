import unittest
from contextlib import redirect_stderr, redirect_stdout
from decimal import Decimal
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

from salesreport.__main__ import main
from salesreport.totals import Total
from salesreport.writer import write_csv, write_table

TOTALS = [Total("Harbour Books", 2, Decimal("200.00")), Total("Mill Bakery", 2, Decimal("15"))]


class WriterTest(unittest.TestCase):
    def test_table(self):
        self.assertEqual(
            write_table(TOTALS),
            "customer       orders      amount\n"
            "Harbour Books       2      200.00\n"
            "Mill Bakery         2       15.00\n",
        )

    def test_csv(self):
        self.assertEqual(write_csv(TOTALS), "customer,orders,amount\nHarbour Books,2,200.00\nMill Bakery,2,15.00\n")


class MainTest(unittest.TestCase):
    def run_main(self, text, *options):
        with TemporaryDirectory() as folder:
            file = Path(folder, "week.csv")
            file.write_text(text, encoding="utf-8")
            with redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()) as err:
                status = main([*options, str(file)])
        return status, out.getvalue(), err.getvalue().replace(str(file), "week.csv")

    def test_largest_customer_first(self):
        export = "customer,date,amount\nA,2026-05-01,1\nB,2026-05-01,2\nA,2026-05-02,4\n"
        status, out, _ = self.run_main(export, "--csv")
        self.assertEqual((status, out), (0, "customer,orders,amount\nA,2,5.00\nB,1,2.00\n"))

    def test_an_unusable_row_stops_the_report(self):
        status, out, err = self.run_main("customer,date,amount\nA,2026-05-01,1\nA,?,1\n")
        self.assertEqual((status, out, err), (1, "", "week.csv: line 3: not a date: '?'\n"))


if __name__ == "__main__":
    unittest.main()
