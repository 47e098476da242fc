"""The tamper matrix: every kind of damage has a message and an exit code of its own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import pytest

from terret.journal import EpisodeOpened, Journal, Observed, SigningKey, Text, write_package

TURNS = 130
"""Enough events for two anchors and a tail behind the last."""


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package of a journal with two anchors, one blob and no end."""
    folder = tmp_path_factory.mktemp("sound")
    key = SigningKey(bytes(range(32)))
    with Journal.create(folder / "live", "sound-1", key, clock=iter(range(10_000)).__next__) as journal:
        task = journal.blobs.put(b'{"name":"t","objective":"o","repository":{"files":{"a":"1"}}}')
        journal.append(
            EpisodeOpened(
                task_name="t",
                task=task,
                model={"spec": "scripted"},
                sampling={},
                dialect="json",
                image="free",
                level="H1",
                repository={"tree": "0" * 40},
                visible_artifacts=[],
                allowed_tools=[],
                intervention_policy="none",
                verification_procedure=[],
                outcome_rule="r",
                interpreter_persistence="none",
                enforcement={"tier": "full"},
                versions={},
                budget={},
                seed=0,
                public_key=key.public_hex,
            )
        )
        for turn in range(TURNS):
            text = Text(size=2, inline=f"o{turn}") if turn % 40 else journal.blob_text("long " * 900)
            journal.append(Observed(turn, "run", True, text, [], None, None))
        write_package(folder / "package", journal)
    return folder / "package"


class Damage(NamedTuple):
    """What to do to a package, and what verification must say."""

    name: str
    apply: Callable[[Path], None]
    exit_code: int
    code: str


def _lines(package: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    file = package / "journal.jsonl"
    file.write_bytes(b"".join(change(file.read_bytes().splitlines(keepends=True))))


def _edit_text(package: Path) -> None:
    _lines(package, lambda lines: [line.replace(b'"o7"', b'"oX"') for line in lines])


def _edit_and_rehash(package: Path) -> None:
    """Edit an event and give it its own right hash: the chain behind it no longer fits."""

    def change(lines: list[bytes]) -> list[bytes]:
        event = json.loads(lines[60].replace(b'"o59"', b'"oX"'))
        del event["hash"]
        body = json.dumps(event, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        event["hash"] = sha256(event["prev"].encode() + body.encode()).hexdigest()
        line = json.dumps(event, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return [*lines[:60], line.encode() + b"\n", *lines[61:]]

    _lines(package, change)


def _swap(package: Path) -> None:
    _lines(package, lambda lines: [*lines[:20], lines[21], lines[20], *lines[22:]])


def _swap_blob(package: Path) -> None:
    blob = max((package / "blobs").iterdir(), key=lambda path: path.stat().st_size)
    blob.write_bytes(b"other content")


def _drop_blob(package: Path) -> None:
    max((package / "blobs").iterdir(), key=lambda path: path.stat().st_size).unlink()


def _resign(package: Path) -> None:
    """Sign the untouched journal with another key, as someone else would."""
    from terret.journal import Head, sign_anchor, sign_head

    head = Head.from_json((package / "head.json").read_bytes())
    key = SigningKey(bytes(32))
    anchors = [sign_anchor(key, head.episode, anchor.seq, anchor.hash) for anchor in head.anchors]
    other = sign_head(key, head.episode, head.count, head.last, anchors)
    (package / "head.json").write_bytes(other.to_json())


def _bad_anchor(package: Path) -> None:
    head = json.loads((package / "head.json").read_text())
    head["anchors"][0]["signature"] = "00" * 64
    (package / "head.json").write_text(json.dumps(head, sort_keys=True, separators=(",", ":")) + "\n")


def _bad_signature(package: Path) -> None:
    head = json.loads((package / "head.json").read_text())
    head["signature"] = "00" * 64
    (package / "head.json").write_text(json.dumps(head, sort_keys=True, separators=(",", ":")) + "\n")


MATRIX = [
    Damage("edit", _edit_text, 11, "E_PKG_EDITED"),
    Damage("edit-and-rehash", _edit_and_rehash, 11, "E_PKG_EDITED"),
    Damage("delete", lambda p: _lines(p, lambda x: [*x[:30], *x[31:]]), 12, "E_PKG_DELETED"),
    Damage("reorder", _swap, 13, "E_PKG_REORDERED"),
    Damage("insert", lambda p: _lines(p, lambda x: [*x[:30], x[29], *x[30:]]), 14, "E_PKG_INSERTED"),
    Damage("truncate-before-anchor", lambda p: _lines(p, lambda x: x[:80]), 15, "E_PKG_ANCHOR"),
    Damage("truncate-after-anchor", lambda p: _lines(p, lambda x: x[:-3]), 16, "E_PKG_TAIL"),
    Damage("swap-blob", _swap_blob, 17, "E_PKG_BLOB"),
    Damage("drop-blob", _drop_blob, 17, "E_PKG_BLOB"),
    Damage("change-patch", lambda p: (p / "patch.diff").write_text("--- a\n"), 18, "E_PKG_PATCH"),
    Damage("change-trace", lambda p: (p / "traces" / "tool.jsonl").write_text("{}\n"), 19, "E_PKG_TRACE"),
    Damage("change-record", lambda p: (p / "records" / "observation.jsonl").write_text(""), 19, "E_PKG_TRACE"),
    Damage("change-report", lambda p: (p / "report.md").write_text("all good\n"), 19, "E_PKG_TRACE"),
    Damage("wrong-key", _resign, 20, "E_PKG_KEY"),
    Damage("bad-signature", _bad_signature, 21, "E_PKG_SIGNATURE"),
    Damage("bad-anchor", _bad_anchor, 21, "E_PKG_SIGNATURE"),
    Damage("no-journal", lambda p: (p / "journal.jsonl").unlink(), 10, "E_PACKAGE"),
    Damage("no-head", lambda p: (p / "head.json").unlink(), 10, "E_PACKAGE"),
    Damage("not-a-head", lambda p: (p / "head.json").write_text("{}"), 10, "E_PACKAGE"),
]


@pytest.mark.parametrize("damage", MATRIX, ids=lambda damage: damage.name)
def test_each_damage_has_its_own_exit_code_and_message(damage: Damage, sound: Path, tmp_path: Path, cli) -> None:
    package = tmp_path / "package"
    shutil.copytree(sound, package)
    damage.apply(package)
    ran = cli("verify", str(package), "--no-rerun")
    assert ran.code == damage.exit_code, ran.err
    assert ran.err.count("\n") == 1
    assert f"[{damage.code}]" in ran.err
    assert "Traceback" not in ran.err


def test_an_expected_key_is_compared(sound: Path, cli) -> None:
    ran = cli("verify", str(sound), "--no-rerun", "--key", "ab" * 32)
    assert (ran.code, "E_PKG_KEY" in ran.err) == (20, True)


def test_the_sound_package_gets_as_far_as_its_missing_end(sound: Path, cli) -> None:
    ran = cli("verify", str(sound), "--no-rerun")
    assert ran.code == 10
    assert "not finished" in ran.err


def test_codes_are_distinct_per_kind_of_damage() -> None:
    by_exit = {
        damage.exit_code: {other.code for other in MATRIX if other.exit_code == damage.exit_code} for damage in MATRIX
    }
    assert all(len(codes) == 1 for codes in by_exit.values())
    assert sorted(by_exit) == [10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21]
