"""Whatever is fed to the command line: one line with a code, no traceback, nothing lost."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import NamedTuple

import pytest

GOOD = """\
name: good
repository:
  files: {a.txt: "a\\n"}
objective: Put b into a.txt.
checks:
  - {name: has-b, run: "grep -q b a.txt"}
budget: {steps: 3, model_calls: 3}
"""


class Case(NamedTuple):
    """Files to lay out, the command line, and the code that must come."""

    name: str
    files: dict[str, str | bytes]
    args: list[str]
    code: str
    exit_code: int = 2


def task(name: str, text: str | bytes, code: str = "E_TASK") -> Case:
    return Case(name, {"task.yaml": text}, ["run", "task.yaml", "--model", "scripted:s.yaml", "--out", "out"], code)


TASKS = [
    task("yaml-syntax", "name: [unclosed\n"),
    task("yaml-tabs", "name: x\n\tobjective: y\n"),
    task("not-a-mapping", "- a\n- b\n"),
    task("empty", ""),
    task("binary", b"\x00\x01\x02\xff\xfe"),
    task("not-utf8", "name: \xe9\n".encode("latin-1")),
    task("twice", GOOD + "name: again\n"),
    task("unknown-field", GOOD + "colour: red\n"),
    task("wrong-type", GOOD.replace("steps: 3", "steps: many")),
    task("no-repository", "name: x\nobjective: y\n"),
    task("two-sources", GOOD.replace("repository:\n", "repository:\n  path: .\n")),
    task("covers-nothing", GOOD.replace('"grep -q b a.txt"}', '"grep -q b a.txt", covers: [R9]}')),
    task("negative-budget", GOOD.replace("steps: 3", "steps: -1")),
    task("escaping-file", GOOD.replace("a.txt: ", "../a.txt: ", 1)),
    task(
        "alias-bomb",
        "a: &a [x,x,x,x,x,x,x,x,x]\n"
        + "".join(f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(8)),
    ),
    Case("no-task-file", {}, ["run", "none.yaml", "--model", "scripted:s.yaml"], "E_TASK"),
    Case("task-is-a-folder", {"d/x": ""}, ["run", "d", "--model", "scripted:s.yaml"], "E_TASK"),
    Case("json-task", {"t.json": '{"name": }'}, ["task", "lint", "t.json"], "E_TASK"),
    task("missing-folder", "name: x\nobjective: y\nrepository: {path: nowhere}\n"),
]

CONFIGS = [
    Case("no-such-model", {"task.yaml": GOOD}, ["run", "task.yaml", "--model", "magic"], "E_CONFIG"),
    Case("unknown-local", {"task.yaml": GOOD}, ["run", "task.yaml", "--model", "local/none"], "E_MODEL_NOT_FOUND", 3),
    Case("no-script", {"task.yaml": GOOD}, ["run", "task.yaml", "--model", "scripted:none.yaml"], "E_CONFIG"),
    Case(
        "bad-script",
        {"task.yaml": GOOD, "s.yaml": "a: 1\n"},
        ["run", "task.yaml", "--model", "scripted:s.yaml"],
        "E_CONFIG",
    ),
    Case("pull-unknown", {}, ["model", "pull", "none"], "E_MODEL_NOT_FOUND", 3),
    Case("unknown-suite", {}, ["suite", "run", "none", "--model", "scripted:s.yaml"], "E_SUITE"),
    Case(
        "suite-without-data", {}, ["suite", "run", "quixbugs", "--data", "nowhere", "--model", "scripted:x"], "E_SUITE"
    ),
    Case(
        "bad-budget",
        {"task.yaml": GOOD},
        ["run", "task.yaml", "--model", "scripted:s.yaml", "--budget", "steps=x"],
        "E_CONFIG",
    ),
    Case("bad-key", {}, ["verify", ".", "--key", "xyz"], "E_CONFIG"),
]

PACKAGES = [
    Case("verify-nothing", {}, ["verify", "nowhere"], "E_PACKAGE", 10),
    Case("verify-empty", {"p/x": ""}, ["verify", "p"], "E_PACKAGE", 10),
    Case("verify-garbage", {"p/journal.jsonl": b"\xff\n", "p/head.json": "[]"}, ["verify", "p"], "E_PACKAGE", 10),
    Case("show-nothing", {}, ["show", "nowhere"], "E_EPISODE"),
    Case("resume-nothing", {}, ["resume", "nowhere"], "E_EPISODE"),
    Case("resume-empty-db", {"e/live/journal.db": b""}, ["resume", "e"], "E_EPISODE"),
    Case("resume-garbage-db", {"e/live/journal.db": b"not a database" * 999}, ["resume", "e"], "E_JOURNAL_CORRUPT", 4),
]


@pytest.mark.parametrize("case", [*TASKS, *CONFIGS, *PACKAGES], ids=lambda case: case.name)
def test_bad_input_gives_one_line_with_its_code(case: Case, tmp_path: Path, monkeypatch, cli) -> None:
    monkeypatch.chdir(tmp_path)
    files: dict[str, str | bytes] = {"s.yaml": "- done\n", **case.files}
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    ran = cli(*case.args)
    text = ran.err + ran.out
    assert f"[{case.code}]" in text, text
    assert ran.code == case.exit_code, text
    assert "Traceback" not in text
    assert all(len(line) < 1500 for line in text.splitlines())
    for name, content in case.files.items():
        kept = (tmp_path / name).read_bytes()
        assert not content or kept == (content.encode() if isinstance(content, str) else content), name


def test_the_list_is_long_enough() -> None:
    assert len([*TASKS, *CONFIGS, *PACKAGES, *REPLIES, *ENDPOINTS]) >= 45


REPLIES = {
    "empty": "",
    "spaces": "  \n\t ",
    "control": "\x00\x01\x1b[31m",
    "prose": "I think the fix is easy.",
    "broken-json": '```json\n{"tool": "run", "args": {\n```',
    "unknown-tool": '```json\n{"tool": "fly", "args": {}}\n```',
    "wrong-arguments": '```json\n{"tool": "read_file", "args": {"path": 7}}\n```',
    "outside": '```json\n{"tool": "read_file", "args": {"path": "../../etc/passwd"}}\n```',
    "deep": "```json\n" + "[" * 20_000 + "\n```",
    "huge": "x" * 300_000,
    "surrogate": "\\ud800 \ufffd",
}


@pytest.mark.sandbox
@pytest.mark.parametrize("name", REPLIES)
def test_a_model_that_returns_garbage_fails_the_task_and_nothing_else(name, tmp_path, monkeypatch, cli) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "task.yaml").write_text(GOOD)
    (tmp_path / "s.yaml").write_text(json.dumps([REPLIES[name]] * 3))
    ran = cli("run", "task.yaml", "--model", "scripted:s.yaml", "--out", "out", "--quiet")
    assert ran.code == 1, ran.err
    assert "Traceback" not in ran.err + ran.out
    (package,) = (tmp_path / "out").iterdir()
    assert cli("verify", package, "--no-rerun").code == 0
    outcome = json.loads((package / "traces" / "outcome.json").read_text())
    assert outcome["label"] == "failed"
    assert outcome["stop"]["reason"] in {"budget_steps", "budget_model_calls", "format_errors"}


def _html(handler: BaseHTTPRequestHandler) -> None:
    _answer(handler, 200, b"<html>hello</html>", "text/html")


def _unauthorised(handler: BaseHTTPRequestHandler) -> None:
    _answer(handler, 401, b'{"error": {"message": "bad key"}}')


def _empty(handler: BaseHTTPRequestHandler) -> None:
    _answer(handler, 200, b'{"choices": []}')


def _not_found(handler: BaseHTTPRequestHandler) -> None:
    _answer(handler, 404, b'{"error": {"message": "no such model"}}')


def _answer(handler: BaseHTTPRequestHandler, status: int, body: bytes, kind: str = "application/json") -> None:
    handler.send_response(status)
    handler.send_header("content-type", kind)
    handler.send_header("content-length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


ENDPOINTS: dict[str, tuple[Callable[[BaseHTTPRequestHandler], None] | None, str]] = {
    "refused": (None, "E_MODEL_UNAVAILABLE"),
    "html": (_html, "E_MODEL_REPLY"),
    "unauthorised": (_unauthorised, "E_MODEL_AUTH"),
    "no-choices": (_empty, "E_MODEL_REPLY"),
    "not-found": (_not_found, "E_MODEL_NOT_FOUND"),
}


@pytest.fixture
def endpoint(request: pytest.FixtureRequest) -> Iterator[str]:
    answer, _ = ENDPOINTS[request.param]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            assert answer is not None
            answer(self)

        def log_message(self, format: str, *args: object) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        address = f"http://127.0.0.1:{server.server_port}/v1"
        if answer is None:
            server.server_close()
            yield address
            return
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield address
        server.shutdown()
        thread.join()


@pytest.mark.sandbox
@pytest.mark.parametrize(("endpoint", "name"), [(name, name) for name in ENDPOINTS], indirect=["endpoint"])
def test_a_broken_endpoint_suspends_the_episode(endpoint, name, tmp_path, monkeypatch, cli) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "task.yaml").write_text(GOOD)
    ran = cli("run", "task.yaml", "--model", f"{endpoint}#any", "--out", "out", "--quiet")
    assert ran.code == 3, ran.err
    assert ENDPOINTS[name][1] in ran.err
    assert "terret resume" in ran.err
    assert "Traceback" not in ran.err
    (folder,) = (tmp_path / "out").iterdir()
    with sqlite3.connect(folder / "live" / "journal.db") as store:
        assert store.execute("pragma integrity_check").fetchone() == ("ok",)
    store.close()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written(tmp_path, monkeypatch, cli) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "task.yaml").write_text(GOOD)
    (tmp_path / "s.yaml").write_text("- done\n")
    (tmp_path / "out").mkdir(mode=0o500)
    ran = cli("run", "task.yaml", "--model", "scripted:s.yaml", "--out", "out")
    assert ran.code in {2, 4}
    assert "Traceback" not in ran.err
