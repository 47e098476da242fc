"""Runs the visible tests on many candidates in one sandboxed process.

A candidate costs a fork of an interpreter that has loaded the test framework and collected the tests already, not a new
interpreter in a new sandbox. Everything happens in a scratch workspace, so nothing of it remains.
"""

from __future__ import annotations

import json
import shlex
from typing import NamedTuple

MARK = "terret-trial:"
"""Begins every line of the runner's report."""


class TrialPlan(NamedTuple):
    """A command that runs the trial and the report's reader needs nothing else."""

    command: str
    stdin: bytes


def plan(
    test_command: str, path: str, texts: list[str], *, each_s: float, most: int, least_s: float = 0.5
) -> TrialPlan | None:
    """How to try candidate texts of ``path``; ``None`` when the test command is not pytest or unittest.

    Args:
        test_command: ``python -m pytest ...`` or ``python -m unittest ...``.
        path: The file the candidates replace.
        texts: Whole files.
        each_s: Seconds of CPU time one candidate may take; four times as many in all.
        most: Stop after so many candidates passed.
        least_s: Once one has passed, the others get three times as much as it took, and this at least.
    """
    words = shlex.split(test_command)
    if len(words) < 3 or words[0] not in {"python", "python3"} or words[1] != "-m":
        return None
    if words[2] not in {"pytest", "unittest"}:
        return None
    job = {"path": path, "texts": texts, "argv": words[3:], "with": words[2], "each_s": each_s, "most": most}
    job["least_s"] = least_s
    return TrialPlan(f"python -c {shlex.quote(RUNNER)}", json.dumps(job).encode())


def passed(output: str) -> list[int]:
    """The indices of the candidates that passed, in the order tried."""
    return [int(line.split()[1]) for line in output.splitlines() if line.startswith(MARK) and line.endswith(" 0")]


RUNNER = f"""
import json, os, signal, sys, time, types
job = json.load(sys.stdin)
sys.path.insert(0, os.getcwd())
sys.dont_write_bytecode = True
target = os.path.realpath(job["path"])
OPTIONS = ["-x", "-q", "--tb=no", "--assert=plain", "-p", "no:cacheprovider"]
class Incompatible(Exception):
    pass
def anew():
    here = os.path.join(os.getcwd(), "")
    for name, module in list(sys.modules.items()):
        if os.path.realpath(getattr(module, "__file__", None) or "/").startswith(here):
            del sys.modules[name]
    if job["with"] == "pytest":
        return int(pytest.main([*job["argv"], *OPTIONS]))
    done = unittest.main(module=None, argv=["unittest", "-f", *job["argv"]], exit=False)
    return 0 if done.result.wasSuccessful() and done.result.testsRun else 1
def renew(old, new):
    if isinstance(old, types.FunctionType) and isinstance(new, types.FunctionType):
        try:
            old.__code__ = new.__code__
        except ValueError:
            raise Incompatible from None
        old.__defaults__, old.__kwdefaults__ = new.__defaults__, new.__kwdefaults__
    elif isinstance(old, type) and isinstance(new, type):
        for name, value in vars(new).items():
            if isinstance(value, (types.FunctionType, staticmethod, classmethod, property)):
                setattr(old, name, value)
    elif type(old) is not type(new) or callable(old):
        raise Incompatible
def load(text):
    # Tests hold the functions they imported: these are given the new code.
    for module in list(sys.modules.values()):
        if os.path.realpath(getattr(module, "__file__", None) or "/") == target:
            before = dict(vars(module))
            exec(compile(text, target, "exec"), vars(module))
            for name, old in before.items():
                if getattr(old, "__module__", None) == module.__name__ and vars(module)[name] is not old:
                    renew(old, vars(module)[name])
def again(session, text):
    try:
        load(text)
    except Incompatible:
        return anew()
    items = session.items
    for item, following in zip(items, [*items[1:], None]):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.testsfailed or session.shouldstop or session.shouldfail:
            return 1
    return 0 if items else 5
def tried(text, each, work):
    with open(target, "w", encoding="utf-8") as file:
        file.write(text)
    pid = os.fork()
    if pid == 0:
        code = 70
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1); os.dup2(null, 2)
        os.setsid()
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_PROF, each)
        try:
            code = work(text)
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 1
        finally:
            os._exit(code)
    end, done = time.monotonic() + 4 * each, 0
    while not done and time.monotonic() < end:
        done, status, used = os.wait4(pid, os.WNOHANG)
        if not done:
            time.sleep(0.002)
    if not done:
        try:
            os.killpg(pid, signal.SIGKILL)
        except ProcessLookupError:
            os.kill(pid, signal.SIGKILL)
        done, status, used = os.wait4(pid, 0)
    return os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime
def try_all(work):
    good, each = 0, job["each_s"]
    for index, text in enumerate(job["texts"]):
        code, seconds = tried(text, each, work)
        os.write(report, ("\\n{MARK} %d %d\\n" % (index, code)).encode())
        if code == 0:
            good, each = good + 1, min(each, max(job["least_s"], 3 * seconds))
        if good >= job["most"]:
            break
report = os.dup(1)
if job["with"] == "unittest":
    import unittest
    try_all(lambda text: anew())
else:
    import pytest
    tests = []
    class Trial:
        def pytest_runtestloop(self, session):
            # Collected once, with the file as it was; every candidate is a fork from here.
            if session.items and not session.testsfailed:
                tests.append(len(session.items))
                try_all(lambda text: again(session, text))
            return True
    pytest.main([*job["argv"], *OPTIONS], plugins=[Trial()])
    if not tests:
        try_all(lambda text: anew())
"""
"""The program that runs inside the sandbox; standard library and the test framework only."""
