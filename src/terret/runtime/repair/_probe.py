"""Tells plausible candidates apart: how each behaves on inputs near those of the visible tests.

The tests are run once with every call of the file's functions recorded; inputs are varied a little; each candidate
answers all of them. No expected value is known, so candidates are only compared with one another.
"""

from __future__ import annotations

import ast
import contextlib
import doctest
import inspect
import json
import shlex
from collections.abc import Sequence
from typing import NamedTuple

from terret.runtime.repair._trial import TrialPlan

MARK = "terret-probe:"
"""Begins the line of the report."""


class Answers(NamedTuple):
    """A candidate's answers.

    ``each`` is a digest an input, ``bad`` how many inputs made it fail or hang, ``failed`` how many of the examples in
    the file's own text it contradicts.
    """

    each: tuple[str, ...]
    bad: int
    failed: int = 0


def probe_plan(test_command: str, path: str, texts: Sequence[str], *, each_s: float) -> TrialPlan | None:
    """How to probe candidate texts of a Python file; ``None`` when the test command is not pytest or unittest.

    The first text is the one whose calls are recorded: one that passes the tests. Examples are taken from its
    docstrings and module texts.
    """
    words = shlex.split(test_command)
    if words[:2] not in (["python", "-m"], ["python3", "-m"]) or words[2:3] not in (["pytest"], ["unittest"]):
        return None
    job = {"path": path, "texts": list(texts), "argv": words[3:], "with": words[2], "each_s": each_s}
    job |= {"examples": examples(texts[0]) if texts else []}
    return TrialPlan(f"python -c {shlex.quote(RUNNER)}", json.dumps(job).encode())


def examples(text: str) -> list[tuple[str, str]]:
    """The interactive examples (``>>> call`` and what it gives) in the texts of a Python file."""
    try:
        nodes = list(ast.walk(ast.parse(text)))
    except (SyntaxError, ValueError):
        return []
    found: list[tuple[str, str]] = []
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and ">>>" in node.value:
            with contextlib.suppress(ValueError):
                parsed = doctest.DocTestParser().get_examples(inspect.cleandoc(node.value))
                found += [(item.source.strip(), item.want.strip()) for item in parsed if item.want.strip()]
    return found


def probed(output: str) -> list[Answers]:
    """The answers of every candidate, in order; empty when nothing could be probed."""
    for line in reversed(output.splitlines()):
        if line.startswith(MARK):
            rows = json.loads(line[len(MARK) :])
            return [Answers(tuple(row[0]), int(row[1]), int(row[2])) for row in rows]
    return []


RUNNER = f'''
import ast, hashlib, io, json, os, signal, sys, time, types
job = json.load(sys.stdin)
sys.path.insert(0, os.getcwd())
sys.dont_write_bytecode = True
target = os.path.abspath(job["path"])
LIMIT = 80
def put(text):
    with open(target, "w", encoding="utf-8") as file:
        file.write(text)
def literal(value):
    try:
        text = repr(value)
        return text if len(text) < 4000 and ast.literal_eval(text) == value else None
    except Exception:
        return None
def record():
    seen, depth = {{}}, [0]
    def watch(frame, event, arg):
        code = frame.f_code
        if code.co_filename != target or code.co_name.startswith("<"):
            return
        if event == "call":
            if depth[0] == 0 and code.co_argcount and not code.co_varnames[0] == "self":
                names = code.co_varnames[: code.co_argcount]
                texts = [literal(frame.f_locals.get(name)) for name in names]
                if None not in texts and len(seen) < LIMIT:
                    seen[(code.co_name, tuple(texts))] = None
            depth[0] += 1
        elif event == "return":
            depth[0] = max(0, depth[0] - 1)
    sys.setprofile(watch)
    try:
        if job["with"] == "pytest":
            import pytest
            pytest.main([*job["argv"], "-q", "-p", "no:cacheprovider"])
        else:
            import unittest
            unittest.main(module=None, argv=["unittest", *job["argv"]], exit=False)
    finally:
        sys.setprofile(None)
    return list(seen)
def near(value):
    if isinstance(value, bool) or value is None:
        return []
    if isinstance(value, int):
        return [value + 1, value - 1] if value > 0 else [value + 1]
    if isinstance(value, float):
        return [value + 1.0, value / 2]
    if isinstance(value, (str, list, tuple)):
        out = [value[1:], value[:-1], value[: len(value) // 2]] if value else []
        if value:
            out.append(value + value[-1:])
        if isinstance(value, list):
            for at, item in list(enumerate(value))[:3]:
                out += [value[:at] + [other] + value[at + 1 :] for other in near(item)[:1]]
        return out
    return []
def inputs(calls):
    out = {{}}
    for name, texts in calls:
        args = [ast.literal_eval(text) for text in texts]
        out.setdefault((name, texts), None)
        for at, arg in enumerate(args):
            for other in near(arg):
                out.setdefault((name, tuple(repr(a) for a in args[:at] + [other] + args[at + 1 :])), None)
    return list(out)[:200]
def plain(value):
    if isinstance(value, types.GeneratorType):
        return [plain(item) for _, item in zip(range(200), value)]
    return value
def answer(calls):
    space = {{"__name__": "candidate", "__file__": target}}
    sys.path.insert(0, os.path.dirname(target))
    with open(target, encoding="utf-8") as file:
        exec(compile(file.read(), target, "exec"), space)
    results, bad = [], 0
    end = time.monotonic() + job["each_s"]
    def alarm(number, frame):
        raise TimeoutError
    signal.signal(signal.SIGALRM, alarm)
    sys.setrecursionlimit(2000)
    for name, texts in calls:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        try:
            if time.monotonic() > end:
                raise TimeoutError
            text = repr(plain(space[name](*[ast.literal_eval(item) for item in texts])))
        except BaseException as error:
            text, bad = "!" + type(error).__name__, bad + 1
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        results.append(hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:10])
    failed = 0
    for source, want in job["examples"]:
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        try:
            expected = ast.literal_eval(want)
            code = compile(source, "example", "eval")
        except BaseException:
            signal.setitimer(signal.ITIMER_REAL, 0)
            continue
        try:
            value = plain(eval(code, space))
            failed += value != expected and list(value) != list(expected)
        except BaseException:
            failed += 1
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    return results, bad, failed
def forked(work):
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(ours)
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1); os.dup2(null, 2)
        try:
            data = json.dumps(work()).encode()
        except BaseException:
            data = b"null"
        with os.fdopen(theirs, "wb") as file:
            file.write(data)
        os._exit(0)
    os.close(theirs)
    with os.fdopen(ours, "rb") as file:
        data = file.read()
    os.waitpid(pid, 0)
    return json.loads(data or b"null")
put(job["texts"][0])
calls = inputs([(name, tuple(texts)) for name, texts in forked(record) or []])
rows = []
for index, text in enumerate(job["texts"]):
    put(text)
    rows.append(forked(lambda: answer(calls)) or [["crash-%d" % index] * len(calls), len(calls) + 1, 0])
print()
print("{MARK}" + json.dumps(rows if calls or job["examples"] else []), flush=True)
'''
"""The program that runs inside the sandbox; standard library and the test framework only."""
