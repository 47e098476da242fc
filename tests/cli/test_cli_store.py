"""terret run and resume with a journal in PostgreSQL, from two working folders that stand for two machines."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_cli_episode import GOOD, TASK, script

pytestmark = pytest.mark.sandbox


def test_an_episode_begun_here_is_finished_there(
    cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres_url: str
) -> None:
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    (tmp_path / "adding.yaml").write_text(TASK)
    (tmp_path / "short.json").write_text(script(GOOD[:1]))
    (tmp_path / "whole.json").write_text(script(GOOD))
    monkeypatch.chdir(tmp_path / "here")
    ran = cli("run", "../adding.yaml", "--model", "scripted:../short.json", "--store", postgres_url, "--json")
    assert ran.code == 3, ran.err
    (folder,) = Path("episodes").iterdir()
    assert sorted(path.name for path in (folder / "live").iterdir()) == ["blobs", "lock", "store.json", "workspace"]
    shown = cli("show", folder, "--json")
    assert shown.code == 0, shown.err

    monkeypatch.chdir(tmp_path / "there")
    lost = cli("resume", folder.name, "--model", "scripted:../whole.json", "--json")
    assert (lost.code, lost.document["error"]) == (2, "E_EPISODE")
    monkeypatch.setenv("TERRET_STORE", postgres_url)
    ended = cli("resume", folder.name, "--model", "scripted:../whole.json", "--json")
    assert ended.code == 0, ended.err
    assert ended.document["label"] == "unverified_success"
    assert cli("verify", Path("episodes") / folder.name).code == 0
    missing = cli("resume", "20200101-000000-nobody", "--json")
    assert (missing.code, missing.document["error"]) == (2, "E_EPISODE")

    monkeypatch.chdir(tmp_path / "here")
    again = cli("resume", folder, "--json")
    assert again.code == 0, again.err
    events = [(Path(place) / "episodes" / folder.name / "journal.jsonl").read_bytes() for place in (".", "../there")]
    assert events[0] == events[1]


@pytest.mark.parametrize(
    ("url", "code", "error"),
    [("mysql://x", 2, "E_CONFIG"), ("postgresql://me:secret@127.0.0.1:1/x", 4, "E_JOURNAL")],
)
def test_a_store_that_cannot_be_used_is_one_line(
    cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, code: int, error: str
) -> None:
    pytest.importorskip("psycopg", reason="the driver is missing: pip install 'terret[postgres]'", exc_type=ImportError)
    monkeypatch.chdir(tmp_path)
    Path("adding.yaml").write_text(TASK)
    Path("model.json").write_text(script(GOOD))
    ran = cli("run", "adding.yaml", "--model", "scripted:model.json", "--store", url)
    assert ran.code == code
    assert f"[{error}]" in ran.err
    assert "secret" not in ran.err
    assert "Traceback" not in ran.err
    assert not list(Path("episodes").glob("*/*"))
