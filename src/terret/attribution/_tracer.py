"""The program that runs tests under a line tracer inside the sandbox, and the reader of its report."""

from __future__ import annotations

import json

import msgspec

from terret.attribution._spectrum import CoverageReport

MARK = "terret-coverage:"
"""Begins the line of the report."""

TEST_S = 4.0
"""Seconds one test may take; a test that runs longer counts as failed with the lines it has run."""


def coverage_runner() -> str:
    """The source of the program: ``python -c SOURCE pytest|unittest ARGUMENTS...`` prints one marked JSON line."""
    return RUNNER


def parse_coverage(output: str) -> CoverageReport:
    """The report in a program's output; an empty one when there is none."""
    for line in reversed(output.splitlines()):
        if line.startswith(MARK):
            try:
                return msgspec.convert(json.loads(line[len(MARK) :]), CoverageReport, strict=False)
            except (ValueError, msgspec.ValidationError):
                break
    return CoverageReport()


RUNNER = f'''
import json, os, signal, sys
kind, arguments = sys.argv[1], sys.argv[2:]
root = os.getcwd() + os.sep
sys.path.insert(0, os.getcwd())
sys.dont_write_bytecode = True
tests, functions, lines = [], {{}}, {{}}
known = {{}}
class TooLong(BaseException):
    pass
def name_of(filename):
    if filename not in known:
        path = os.path.abspath(filename)
        known[filename] = path[len(root):] if path.startswith(root) and os.path.isfile(path) else None
    return known[filename]
def trace(frame, event, arg):
    path = name_of(frame.f_code.co_filename)
    if path is None or path.startswith("harness/"):
        return None
    seen = lines.setdefault(path, set())
    inside = functions.setdefault(path, {{}})
    name = frame.f_code.co_name
    def local(frame, event, arg):
        if event == "line":
            seen.add(frame.f_lineno)
            if not name.startswith("<"):
                inside[frame.f_lineno] = name
        return local
    return local
def alarm(number, frame):
    raise TooLong("the test took too long")
signal.signal(signal.SIGALRM, alarm)
def begin():
    lines.clear()
    signal.setitimer(signal.ITIMER_REAL, {TEST_S})
    sys.settrace(trace)
def end(name, passed):
    sys.settrace(None)
    signal.setitimer(signal.ITIMER_REAL, 0)
    ran = {{path: sorted(seen) for path, seen in lines.items() if seen}}
    tests.append({{"name": name, "passed": passed, "lines": ran}})
def report():
    sys.settrace(None)
    signal.setitimer(signal.ITIMER_REAL, 0)
    print()
    print("{MARK}" + json.dumps({{"tests": tests, "functions": functions}}), flush=True)
if kind == "pytest":
    import pytest
    class Plugin:
        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_call(self, item):
            begin()
            try:
                return (yield)
            except TooLong as error:
                raise AssertionError(str(error)) from None
            finally:
                sys.settrace(None)
                signal.setitimer(signal.ITIMER_REAL, 0)
        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_makereport(self, item, call):
            report = yield
            if call.when == "call":
                end(item.nodeid, report.passed)
            return report
    try:
        pytest.main([*arguments, "-q", "-p", "no:cacheprovider", "-p", "no:timeout"], plugins=[Plugin()])
    finally:
        report()
else:
    import unittest
    class Result(unittest.TextTestResult):
        def startTest(self, test):
            super().startTest(test)
            self.bad = len(self.failures) + len(self.errors)
            begin()
        def stopTest(self, test):
            sys.settrace(None)
            end(test.id(), len(self.failures) + len(self.errors) == self.bad)
            super().stopTest(test)
    try:
        runner = unittest.TextTestRunner(resultclass=Result)
        unittest.main(module=None, argv=["unittest", *arguments], exit=False, testRunner=runner)
    finally:
        report()
'''
"""Standard library and the test framework only."""
