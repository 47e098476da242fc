"""Memory that commands share: who waits, who pauses, who is killed, and what is told of it."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from terret.sandbox import Admission, Command, Completed, Sandbox, memory_hint, probe
from terret.task import Limits

LIMITS = Limits(wall_s=30.0, cpu_s=20.0, memory_mb=64, pids=16, output_kb=64, disk_mb=16)
full = pytest.mark.skipif(probe().tier != "full", reason=f"this machine has no memory groups: {probe().missing}")


@pytest.mark.parametrize(
    ("hint", "megabytes"),
    [
        ("low", 256),
        ("medium", 1024),
        (None, 1024),
        ("high", 2048),
        ("2g", 2048),
        ("512m", 512),
        ("64MB", 64),
        ("9g", 2048),
    ],
)
def test_a_hint_is_a_size_within_the_limit(hint: str | None, megabytes: int) -> None:
    assert memory_hint(hint, Limits(memory_mb=2048)) == megabytes


@pytest.mark.parametrize("hint", ["", "much", "-1g", "0m", "1.5g", "1t"])
def test_what_is_no_size_is_no_hint(hint: str) -> None:
    assert memory_hint(hint, Limits()) is None


def test_commands_enter_in_order_and_wait_for_room() -> None:
    admission = Admission(100)
    first = admission.enter(60, 60)
    assert first is not None
    entered: list[int] = []

    def come() -> None:
        claim = admission.enter(60, 60)
        assert claim is not None
        entered.append(claim.held)
        claim.close()

    thread = threading.Thread(target=come)
    thread.start()
    assert entered == []
    first.close()
    thread.join(10)
    assert entered == [60]


def test_growth_that_could_leave_two_waiting_for_each_other_is_refused() -> None:
    admission = Admission(100)
    one, two = admission.enter(30, 70), admission.enter(30, 70)
    assert one is not None
    assert two is not None
    assert one.grow(40)
    # The other could not get its 70 before this one ends, and this one has all it may take.
    assert one.held == 70
    assert not two.grow(40)
    one.close()
    assert two.grow(40)
    assert two.held == 70


def test_whoever_leaves_the_queue_holds_nothing_up() -> None:
    admission = Admission(100)
    held = admission.enter(100, 100)
    assert held is not None
    assert admission.enter(50, 50, gone=lambda: True) is None
    held.close()
    claim = admission.enter(100, 100)
    assert claim is not None
    claim.close()


def _together(folder: Path, admission: Admission, hint: str, calls: int) -> list[Completed]:
    results: list[Completed] = []
    program = "import time\nx = [bytes(4 << 20) and b'x' * (4 << 20) for _ in range(9)]\ntime.sleep(0.3)\nprint('done')"
    command = Command("python3 -I -S -", stdin=program.encode(), limits=LIMITS, memory=hint)
    with Sandbox(folder, tier="full", admission=admission) as sandbox:
        threads = [threading.Thread(target=lambda: results.append(sandbox.run(command))) for _ in range(calls)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    admission.close()
    return results


@full
@pytest.mark.sandbox
@pytest.mark.parametrize("hint", ["high", "20m"])
def test_commands_that_need_more_than_there_is_all_finish(tmp_path: Path, hint: str) -> None:
    results = _together(tmp_path, Admission(96, bounded=True), hint, 4)
    assert [(one.status, one.output) for one in results] == [("ok", b"done\n")] * 4
    if hint == "20m":
        assert any(one.resources.get("raised") for one in results)
    else:
        assert any(one.resources.get("waited_ms", 0) > 100 for one in results)


@full
@pytest.mark.sandbox
def test_the_hard_limit_still_kills(tmp_path: Path) -> None:
    command = Command("python3 -I -S -c 'x = b\"x\" * 90000000; print(1)'", limits=LIMITS, memory="24m")
    with Sandbox(tmp_path, tier="full", admission=Admission(500)) as sandbox:
        done = sandbox.run(command)
    assert done.status == "memory"
    assert done.resources["raised"] >= 1
    assert done.resources["soft_mb"] == 64


@full
@pytest.mark.sandbox
def test_how_many_processes_ran_at_a_time_is_told(tmp_path: Path) -> None:
    with Sandbox(tmp_path, tier="full") as sandbox:
        done = sandbox.run(Command("sleep 0.3 & sleep 0.3 & sleep 0.3 & wait", limits=LIMITS))
    assert 4 <= done.resources["pids"] <= 6
