"""Metrics and health: sums over journals, the same for the same journals."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from operate_samples import START, finished, live, paused, turns

from terret.journal import Intent
from terret.operate import FolderFleet, MetricsServer, health, metrics, prometheus_text


def families(text: bytes) -> dict[str, float]:
    lines = [line for line in text.decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def test_every_number_is_a_sum_over_the_journals(tmp_path: Path) -> None:
    finished(tmp_path / "a")
    live(tmp_path / "b", paused(), start=START + 100)
    call = Intent("e9", "model.complete", "read", {"messages": 4}, {"effect": "allow"}, 3)
    with live(tmp_path / "c", call, start=START + 200, keep_open=True):
        text = prometheus_text(FolderFleet(tmp_path))
        assert prometheus_text(FolderFleet(tmp_path)) == text, "two scrapes of the same journals are equal"
    found = families(text)
    assert found['terret_episodes{label="failed",state="finished"}'] == 1
    assert found['terret_episodes{label="",state="paused"}'] == found['terret_episodes{label="",state="running"}'] == 1
    assert found['terret_tokens_total{kind="input"}'] == 600
    assert found["terret_cost_usd_total"] == 1.5
    assert found['terret_effects_total{primitive="model.complete",status="ok"}'] == 6
    assert found['terret_effects_total{primitive="shell.run",status="error"}'] == 3
    assert found['terret_effects_open{primitive="model.complete"}'] == 1
    assert found['terret_denials_total{primitive="shell.run",rule="harness"}'] == 3
    assert found['terret_faults_total{code="E_MODEL_TIMEOUT",part="model"}'] == 1
    assert found['terret_rejected_replies_total{reason="not_json"}'] == 1
    assert found['terret_model_call_seconds_bucket{le="1.0"}'] == 0
    assert found['terret_model_call_seconds_bucket{le="2.5"}'] == 6
    assert found["terret_model_call_seconds_sum"] == 9.0
    assert found['terret_tool_call_seconds_count{primitive="shell.run"}'] == 3
    assert found['terret_journal_oldest_timestamp_seconds{state="running"}'] > START + 200
    assert found["terret_turns_total"] == 2 + 2 + 3


def test_no_episodes_and_hostile_names_are_no_trouble(tmp_path: Path) -> None:
    assert families(prometheus_text(FolderFleet(tmp_path)))["terret_turns_total"] == 0
    rule = 'a"b\\c\nd'
    from terret.journal import Denied

    live(tmp_path / "a", Denied("e8", "fs.write", {}, {"effect": "deny", "rule": rule}, 2))
    text = prometheus_text(FolderFleet(tmp_path)).decode()
    assert r'rule="a\"b\\c\nd"' in text


def test_scrapes_read_only_what_came(tmp_path: Path) -> None:
    fleet = FolderFleet(tmp_path)
    with live(tmp_path / "r", keep_open=True) as journal:
        before = families(prometheus_text(fleet))
        for data in turns(3)[-3:]:
            journal.append(data, durable=True)
        after = families(prometheus_text(fleet))
    assert after["terret_turns_total"] == before["terret_turns_total"] + 1
    assert {metric.name for metric in metrics(fleet.tallies())} >= {"terret_episodes", "terret_model_call_seconds"}


def test_metrics_and_health_over_http(tmp_path: Path) -> None:
    finished(tmp_path / "a")
    fleet = FolderFleet(tmp_path)
    server = MetricsServer(fleet, 0)
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        assert server.address.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(f"{server.address}/metrics", timeout=20) as reply:
            assert reply.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            assert reply.read() == prometheus_text(fleet)
        with urllib.request.urlopen(f"{server.address}/health", timeout=20) as reply:
            assert json.load(reply) == {
                "status": "ok",
                "episodes": {"finished": 1},
                "damaged": [],
                "oldest_running_event": None,
            }
        with pytest.raises(urllib.error.HTTPError, match="404") as caught:
            urllib.request.urlopen(f"{server.address}/else", timeout=20)
        caught.value.close()
    finally:
        server.close()
        thread.join(20)


def test_health_names_what_is_damaged_and_fails_when_nothing_can_be_read(tmp_path: Path) -> None:
    finished(tmp_path / "a")
    (tmp_path / "a" / "journal.jsonl").write_bytes(b"{}\n")
    assert health(FolderFleet(tmp_path))["damaged"] == ["a"]

    class Gone(FolderFleet):
        def episodes(self):
            raise OSError(5, "Input/output error")

    assert health(Gone(tmp_path)) == {"status": "failing", "reason": "[Errno 5] Input/output error"}
