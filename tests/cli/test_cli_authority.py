"""Capabilities, mandates, a guard and a charter from the command line."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from test_cli_episode import TASK, script

from terret.cli._authority import authority_of
from terret.cli._mandates import gate_again
from terret.errors import ConfigError
from terret.journal import Event, Outcome, SigningKey, default_key_path
from terret.mandates import mandates_folder
from terret.models import connect
from terret.runtime import run_episode
from terret.task import load_task

pytestmark = pytest.mark.sandbox

CALLS = [
    ("edit_file", {"path": "adding.py", "old": "a - b", "new": "a + b"}),
    ("write_file", {"path": "notes.md", "content": "no"}),
    ("run", {"command": "cat adding.py"}),
    ("declare_complete", {"summary": "mended"}),
]
LOOK = ("--grant", "filesystem:workspace:**=read,list")


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli) -> Any:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "task.yaml").write_text(TASK)
    (tmp_path / "good.json").write_text(script(CALLS))

    def run(*options: object) -> Any:
        return cli("run", "task.yaml", "--model", "scripted:good.json", "--json", *options)

    return run


def denied(cli, package: str) -> dict[str, str]:
    rows = cli("audit", package, "--denied", "--json").document
    return {row["target"]: row["authority"]["rule"] for row in rows}


def test_grants_and_denials_bind_the_agent_and_audit_names_them(start, cli, tmp_path: Path) -> None:
    grants = ("--grant", "fs:adding.py=write;uses=1;ttl=600", "--grant", "shell:cat=execute")
    package = start(*LOOK, *grants).document["package"]
    assert denied(cli, package) == {"notes.md": "capability:none", "cat adding.py": "capability:none"}
    text = cli("audit", package).out
    assert "under" in text
    assert "c2   allow write on fs:adding.py, 1 use, from the host" in text
    (row,) = [
        row for row in cli("audit", package, "--primitive", "fs.write", "--json").document if row["status"] == "ok"
    ]
    assert row["authority"]["capabilities"] == ["c2"]
    # With denials alone the rest is the policy's.
    package = start("--deny", "fs:notes.md=write").document["package"]
    assert set(denied(cli, package)) == {"notes.md", "cat adding.py"}


def test_a_file_of_grants(start, cli, tmp_path: Path) -> None:
    (tmp_path / "grants.yaml").write_text(
        "version: 1\n"
        "grants:\n"
        "  - {resource: 'fs:**', rights: [read, list, write]}\n"
        "  - {resource: 'fs:notes.md', rights: [write], effect: deny, reason: notes are for people}\n"
    )
    package = start("--grant-file", "grants.yaml").document["package"]
    rows = cli("audit", package, "--denied", "--json").document
    assert rows[0]["authority"]["reason"] == "notes are for people"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--grant", "fs:**"], "a grant names its rights"),
        (["--grant", "fs:**=fly"], "unknown right"),
        (["--grant", "nothing=read"], "a resource begins with its kind"),
        (["--grant", "fs:*=read;often=3"], "a grant's limits are uses=N and ttl=SECONDS"),
        (["--grant", "fs:*=read;uses=0"], "only an allow has uses"),
        (["--grant", "fs:*=read;ttl=-1"], "a time to live"),
        (["--grant", "="], "this is no grant"),
        (["--grant-file", "absent.yaml"], "the file of grants does not exist"),
        (["--grant-file", "task.yaml"], "a file of grants has version and grants"),
        (["--grant-file", "bad.yaml"], "bad.yaml:2: this is no grant"),
        (["--guard", "absent.yaml"], "the guard's configuration cannot be read"),
        (["--guard", "task.yaml"], "the guard's configuration is wrong"),
        (["--guard", "parts.yaml"], "unknown part of the guard"),
        (["--norms", "absent.yaml"], "the charter cannot be read"),
        (["--mandate", "absent.json"], "the mandate cannot be read"),
        (["--mandate", "good.json"], "the file holds no mandate"),
        (["--mandated", "shell.*", "--trust", "xy"], "a public key is 64"),
        (["--trust", "0" * 64], "--trust without mandates"),
    ],
)
def test_what_is_malformed_is_refused_in_one_line_before_anything_runs(
    start, tmp_path: Path, options: list[str], message: str
) -> None:
    (tmp_path / "bad.yaml").write_text("version: 1\ngrants: [{resources: x}]\n")
    (tmp_path / "parts.yaml").write_text("off: [heart]\n")
    ran = start(*options)
    assert ran.code == 2
    assert message in (ran.document["where"] or "") + ": " + ran.document["message"]
    assert not (tmp_path / "episodes").exists()


def test_a_guard_and_a_charter_are_in_force_and_recorded(start, cli, tmp_path: Path) -> None:
    (tmp_path / "guard.yaml").write_text("taint: strict\noff: [model]\n")
    (tmp_path / "charter.yaml").write_text(
        "norms:\n  - {name: notes, level: legal, operator: required, primitives: [fs.write], args: {path: notes.md}}\n"
    )
    package = start("--guard", "guard.yaml", "--norms", "charter.yaml").document["package"]
    assert denied(cli, package)["notes.md"] == "norm:floor_2_superordinate_legal"
    opened = json.loads((Path(package) / "episode.json").read_text())
    assert opened["enforcement"]["hooks"]["config"]["taint"] == "strict"
    assert cli("replay", package).code == 0
    assert start("--guard", "default").code == 0


def test_a_mandate_signed_for_a_refused_call_is_spent_once(start, cli, tmp_path: Path) -> None:
    first = start("--mandated", "shell.*").document["package"]
    (row,) = cli("audit", first, "--denied", "--json").document
    assert (row["target"], row["authority"]["rule"]) == ("cat adding.py", "mandate:missing")
    made = cli("mandate", "new", "--like", first, row["effect"], "--note", "look", "--json").document
    assert (made["primitive"], made["resource"], made["process"]) == ("shell.run", "shell:cat adding.py", "*")
    assert cli("mandate", "verify", made["file"]).code == 0
    second = start("--mandated", "shell.*", "--mandate", made["file"]).document["package"]
    assert denied(cli, second) == {}
    assert f"mandate:{made['id'][:12]}" in cli("audit", second).out
    assert cli("replay", second).code == 0
    third = start("--mandated", "shell.*", "--mandate", made["file"]).document["package"]
    assert denied(cli, third) == {"cat adding.py": "mandate:replayed"}
    (listed,) = cli("mandate", "list", "--json").document
    assert (listed["state"], listed["note"]) == ("spent", "look")
    assert Path(second).name in listed["why"]
    assert cli("mandate", "verify", made["id"][:20]).code == 1
    late = cli("mandate", "revoke", made["id"])
    assert (late.code, late.out.startswith("spent: ")) == (1, True)


def test_a_mandate_taken_back_cannot_be_spent(start, cli, tmp_path: Path) -> None:
    call = {"command": "cat adding.py", "timeout_s": None}
    made = cli(
        "mandate", "new", "shell.run", "--task", "task.yaml", "--args", written(tmp_path, call), "--to", "m.json"
    )
    assert made.code == 0, made.err
    assert cli("mandate", "list").out.startswith("no mandates\n")
    revoked = cli("mandate", "revoke", "m.json")
    assert (revoked.code, revoked.out.split(":")[0]) == (0, "revoked")
    assert cli("mandate", "revoke", "m.json").code == 0
    assert cli("mandate", "verify", "m.json", "--json").document["state"] == "revoked"
    package = start("--mandated", "shell.*", "--mandate", "m.json").document["package"]
    assert denied(cli, package) == {"cat adding.py": "mandate:replayed"}


def test_an_episode_is_resumed_under_the_gate_it_was_begun_with(start, cli, tmp_path: Path) -> None:
    call = {"command": "cat adding.py", "timeout_s": None}
    cli("mandate", "new", "shell.run", "--task", "task.yaml", "--args", written(tmp_path, call), "--to", "m.json")
    package = tmp_path / "cut" / "short"

    def die(item: object) -> None:
        if isinstance(item, Event) and isinstance(item.data, Outcome) and item.data.effect == "e1":
            raise KeyboardInterrupt

    key = SigningKey.load_or_create(default_key_path())
    with authority_of(
        {"mandated": ("shell.*",), "grants": ("fs:**=read,list,write", "shell:*=execute;uses=1")}
    ) as given:
        body = run_episode(
            load_task(tmp_path / "task.yaml"),
            model=connect("scripted:good.json"),
            folder=package,
            key=key,
            base_folder=tmp_path,
            listener=die,
            **given,
        )
        with pytest.raises(KeyboardInterrupt):
            asyncio.run(body)
    ran = cli("resume", package, "--mandate", "m.json", "--json")
    assert ran.code == 0, ran.err
    assert denied(cli, str(package)) == {}
    (row,) = cli("audit", package, "--primitive", "shell.run", "--json").document
    assert len(row["authority"]["mandate"]) == 32
    assert row["authority"]["capabilities"] == ["c2", "c1"]


def test_an_episode_without_a_gate_takes_no_mandates(start, cli, tmp_path: Path) -> None:
    cli("mandate", "new", "net.post", "--task", "task.yaml", "--arg", "url=x", "--to", "m.json")
    assert cli("mandate", "new", "net.post", "--task", "task.yaml", "--arg", "url=x").code == 0
    folder = mandates_folder()
    (folder / "broken.json").write_text("{}")
    states = [row["state"] for row in cli("mandate", "list", "--json").document]
    assert sorted(states) == ["damaged", "unspent"]
    assert "damaged" in cli("mandate", "list").out
    with pytest.raises(ConfigError, match="begun without mandates"), gate_again([tmp_path / "m.json"], None):
        pass


def test_a_slip_that_lies_about_its_call_or_is_signed_by_a_stranger_is_told(start, cli, tmp_path: Path) -> None:
    made = cli(
        "mandate", "new", "net.request", "--task", "task.yaml", "--arg", "url=https://a.example/", "--to", "m.json"
    )
    assert made.code == 0
    slip = json.loads((tmp_path / "m.json").read_text())
    slip["args"]["url"] = "https://b.example/"
    (tmp_path / "lie.json").write_text(json.dumps(slip))
    assert cli("mandate", "verify", "lie.json", "--json").document["state"] == "redirected"
    slip["args"]["url"] = "https://a.example/"
    slip["mandate"]["public_key"] = "0" * 64
    (tmp_path / "stranger.json").write_text(json.dumps(slip))
    assert cli("mandate", "verify", "stranger.json", "--json").document["state"] == "untrusted"


def written(folder: Path, value: object) -> Path:
    (folder / "args.json").write_text(json.dumps(value))
    return folder / "args.json"


@pytest.mark.parametrize(
    "options",
    [
        ["net.request"],
        ["net.request", "--task", "task.yaml"],
        ["net.request", "--task", "absent.yaml", "--arg", "url=x"],
        ["net.request", "--task", "task.yaml", "--arg", "url"],
        ["net.request", "--task", "task.yaml", "--args", "task.yaml"],
        ["net.request", "--like", "a", "e1"],
        ["--like", "absent", "e1"],
        ["net.request", "--task", "task.yaml", "--arg", "url=x", "--to", "task.yaml"],
    ],
)
def test_a_mandate_that_means_nothing_is_refused_in_one_line(start, cli, options: list[str]) -> None:
    ran = cli("mandate", "new", *options)
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert cli("mandate", "verify", "absent").code == 2
