"""--human from the outside: a folder of requests, silence, bad values, and how help is shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import terret.intervention
from terret.intervention import FileQueue

pytestmark = pytest.mark.sandbox

TASK = """\
name: adding
repository:
  files:
    adding.py: "def add(a, b):\\n    return a - b\\n"
objective: add must return the sum.
permissions: {ask_write: [adding.py]}
checks:
  - name: sum
    run: python -c "import adding; assert adding.add(2, 3) == 5"
"""
CALLS = [
    ("edit_file", {"path": "adding.py", "old": "a - b", "new": "a + b"}),
    ("declare_complete", {"summary": "mended"}),
]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "task.yaml").write_text(TASK)
    (tmp_path / "people").mkdir()
    replies = [f"```json\n{json.dumps({'tool': tool, 'args': args})}\n```" for tool, args in CALLS]
    (tmp_path / "script.json").write_text(
        json.dumps({"replies": replies, "model": {"dialect": "json", "image": "free"}})
    )
    return tmp_path


def run(cli, *options):
    return cli("run", "task.yaml", "--model", "scripted:script.json", "--json", *options)


def test_a_folder_takes_answers_and_hints(cli, place, monkeypatch):
    asked = []

    def answered(folder, *, timeout_s):
        async def person(seconds):
            (request,) = folder.glob("*.request.json")
            asked.append(json.loads(request.read_text()))
            (folder / asked[-1]["answer_file"]).write_text('{"approved": true, "by": "ada"}')

        return FileQueue(folder, timeout_s=timeout_s, wait=person)

    monkeypatch.setattr(terret.intervention, "FileQueue", answered)
    (place / "people" / "a.hint").write_text("look at adding.py\n")
    ran = run(cli, "--human", "people")
    assert ran.code == 0, ran.err
    (request,) = asked
    assert "-    return a - b\n+    return a + b" in request["text"]
    assert request["answer"]["scope"] == "once"
    document = ran.document
    assert document["label"] == "assisted_verified_success"
    assert document["intervention_policy"].startswith("files: ")
    assert [help_given["form"] for help_given in document["interventions"]] == ["hint", "approval"]
    names = {path.name for path in (place / "people").iterdir()}
    assert names == {"a.hint.taken", request["answer_file"]}
    shown = cli("show", document["package"])
    assert "2 interventions, 1 avoidable (context selection)" in shown.out
    assert "human            hint: look at adding.py (avoidable: context selection)" in shown.out
    assert "asking           approval: May the agent do this?" in shown.out


def test_silence_denies_and_is_shown(cli, place):
    ran = run(cli, "--human", "people", "--human-timeout", "0")
    assert ran.code == 1
    assert "no answer within 0 s denies" in ran.document["intervention_policy"]
    told = [entry["what"] for entry in ran.document["timeline"]]
    assert told[1:4] == ["asking", "no answer", "denied"]


def test_nobody_by_default(cli, place):
    ran = run(cli)
    assert ran.document["intervention_policy"] == "none: no human takes part"
    assert ran.document["interventions"] == []


def test_a_resume_goes_on_with_the_same_folder(cli, place):
    script = json.loads((place / "script.json").read_text())
    (place / "short.json").write_text(json.dumps(script | {"replies": script["replies"][:1]}))
    ran = cli(
        "run", "task.yaml", "--model", "scripted:short.json", "--json", "--human", "people", "--human-timeout", "0"
    )
    assert ran.code == 3
    package = ran.document["package"]
    refused = cli("resume", package)
    assert (refused.code, "add --human FOLDER" in refused.err) == (2, True)
    done = cli("resume", package, "--model", "scripted:script.json", "--human", "people", "--json")
    assert done.document["finished"] is True


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (["--human", "nowhere"], "names no folder"),
        (["--human-timeout", "5"], "without a human"),
        (["--human", "people", "--no-sandbox"], "could answer itself"),
    ],
)
def test_bad_values_are_one_line(cli, place, options, part):
    ran = cli("run", "task.yaml", "--model", "scripted:script.json", *options)
    assert ran.code == 2
    assert ran.err.count("\n") == 1
    assert part in ran.err
    assert not list(place.glob("episodes/*/live"))
