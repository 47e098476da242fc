"""``python -m salesreport [--csv] FILE``"""

import argparse
import sys
from pathlib import Path

from salesreport.reader import read_rows
from salesreport.records import RecordError, to_records
from salesreport.totals import totals_by_customer
from salesreport.writer import write_csv, write_table


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="salesreport", description="Sales per customer.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--csv", action="store_true", help="write CSV instead of a table")
    options = parser.parse_args(arguments)
    try:
        records = to_records(read_rows(options.file.read_text(encoding="utf-8")))
    except RecordError as error:
        print(f"{options.file}: {error}", file=sys.stderr)
        return 1
    write = write_csv if options.csv else write_table
    sys.stdout.write(write(totals_by_customer(records)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
