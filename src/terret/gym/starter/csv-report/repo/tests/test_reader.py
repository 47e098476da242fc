import unittest

from salesreport.reader import Row, read_rows


class ReadRowsTest(unittest.TestCase):
    def test_plain_rows_carry_their_lines(self):
        self.assertEqual(read_rows("a,b\n1,2\n"), [Row(1, ["a", "b"]), Row(2, ["1", "2"])])

    def test_white_space_around_fields_is_dropped(self):
        self.assertEqual(read_rows(" a , b \n"), [Row(1, ["a", "b"])])

    def test_windows_line_ends(self):
        self.assertEqual(read_rows("a,b\r\n1,2\r\n"), [Row(1, ["a", "b"]), Row(2, ["1", "2"])])

    def test_a_quoted_comma_does_not_split(self):
        self.assertEqual(read_rows('"Rossi, Anna",7\n'), [Row(1, ["Rossi, Anna", "7"])])


if __name__ == "__main__":
    unittest.main()
