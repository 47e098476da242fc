"""``python -m relay``"""

import argparse
import sys

from relay.loader import SettingsError, load_settings


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="relay", description="Checks and prints settings.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("check", help="check files").add_argument("files", nargs="+")
    commands.add_parser("show", help="print the settings of a file").add_argument("files", nargs=1)
    options = parser.parse_args(arguments)
    status = 0
    for file in options.files:
        try:
            settings = load_settings(file)
        except SettingsError as error:
            status = 1
            for problem in error.problems:
                print(f"{file}: {problem}", file=sys.stderr)
            continue
        if options.command == "check":
            print(f"ok {file}")
        else:
            for name, value in settings.items():
                print(f"{name} = {value}")
    return status
