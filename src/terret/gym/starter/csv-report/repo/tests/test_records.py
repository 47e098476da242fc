import unittest
from datetime import date
from decimal import Decimal

from salesreport.reader import read_rows
from salesreport.records import Record, RecordError, to_records

HEADER = "customer,date,amount\n"


class ToRecordsTest(unittest.TestCase):
    def test_a_record(self):
        records = to_records(read_rows(HEADER + "Mill Bakery,2026-05-01,-3.20\n"))
        self.assertEqual(records, [Record("Mill Bakery", date(2026, 5, 1), Decimal("-3.20"))])

    def test_unusable_rows_name_their_line(self):
        for row, message in [
            ("A,2026-05-01", "line 3: expected 3 fields, got 2"),
            (",2026-05-01,1", "line 3: the customer is missing"),
            ("A,yesterday,1", "line 3: not a date: 'yesterday'"),
            ("A,2026-05-01,much", "line 3: not an amount: 'much'"),
        ]:
            with self.subTest(row), self.assertRaises(RecordError) as caught:
                to_records(read_rows(f"{HEADER}A,2026-05-01,1\n{row}\n"))
            self.assertEqual(str(caught.exception), message)

    def test_the_header_is_checked(self):
        with self.assertRaises(RecordError):
            to_records(read_rows("customer,amount\n"))

    def test_an_empty_row_is_skipped(self):
        records = to_records(read_rows(HEADER + "A,2026-05-01,1\n\nB,2026-05-02,2\n"))
        self.assertEqual([record.customer for record in records], ["A", "B"])


if __name__ == "__main__":
    unittest.main()
