"""The registry across threads, processes, kills, restarts and clocks; and what it persists."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mandates_world import KEY, NOW, context, gate, issue, spend

from terret.errors import InputError, JournalCorrupt, JournalError, JournalWriteFailed
from terret.mandates import Claim, Issuer, Mandate, Registry, Spent, Verifier

CHILD = Path(__file__).with_name("mandates_world.py")
GOLDEN = Path(__file__).parents[1] / "golden" / "mandates"


def claim(number: int, identity: str | None = None, expires_ms: int | None = None) -> Claim:
    at = int(NOW * 1000) + 1000 if expires_ms is None else expires_ms
    return Claim(f"{number:032x}", identity or f"e{number}", "ab" * 32, at)


def children(folder: Path, *fatal: int) -> list[subprocess.Popen[bytes]]:
    command = [sys.executable, str(CHILD), str(folder)]
    return [
        subprocess.Popen([*command, f"p{place}", str(count)], stdout=subprocess.PIPE)
        for place, count in enumerate(fatal)
    ]


def test_processes_that_race_spend_every_mandate_once(tmp_path: Path) -> None:
    issue(tmp_path, 60)
    racing = children(tmp_path, 0, 0, 0)
    (tmp_path / "go").touch()
    spent = [number for child in racing for number in child.communicate(timeout=50)[0].split()]
    assert [child.returncode for child in racing] == [0, 0, 0]
    assert Counter(map(int, spent)) == Counter(range(60))


@pytest.mark.parametrize("fatal", [1, 2, 17])
def test_kill_in_the_middle_of_a_transaction_spends_nothing_twice_and_forgets_nothing(
    tmp_path: Path, fatal: int
) -> None:
    issue(tmp_path, 20)
    (tmp_path / "go").touch()
    (child,) = children(tmp_path, fatal)
    acknowledged = [int(number) for number in child.communicate(timeout=50)[0].split()]
    assert child.returncode == -signal.SIGKILL
    assert acknowledged == list(range(fatal - 1))
    mandates = [Mandate.decode(line) for line in (tmp_path / "mandates.jsonl").read_bytes().splitlines()]
    with Registry(tmp_path / "registry.db", clock=lambda: NOW) as registry:
        made = gate(registry, lambda: NOW)
        assert len(registry) == fatal - 1, "the transaction that died left nothing"
        for number in acknowledged:
            assert spend(made, f"other/e{number}", mandates[number], context(number)) == "replayed"
            assert spend(made, f"p0/e{number}", mandates[number], context(number)) == "pending"
        rest = [spend(made, f"p0/e{number}", mandates[number], context(number)) for number in range(fatal - 1, 20)]
        assert set(rest) == {"fresh"}


def test_kill_between_commit_and_effect_leaves_the_mandate_spent(tmp_path: Path) -> None:
    issue(tmp_path, 200)
    (child,) = children(tmp_path, 0)
    (tmp_path / "go").touch()
    assert child.stdout is not None
    seen = [int(child.stdout.readline()) for _ in range(5)]
    child.send_signal(signal.SIGKILL)
    seen += [int(number) for number in child.communicate(timeout=50)[0].split()]
    mandates = [Mandate.decode(line) for line in (tmp_path / "mandates.jsonl").read_bytes().splitlines()]
    with Registry(tmp_path / "registry.db", clock=lambda: NOW) as registry:
        made = gate(registry, lambda: NOW)
        held = len(registry)
        assert len(seen) <= held <= len(seen) + 1
        states = [spend(made, f"p0/e{number}", mandates[number], context(number)) for number in range(held)]
        assert states == ["pending"] * held


def test_threads_share_commits_and_agree(tmp_path: Path) -> None:
    with Registry(tmp_path / "r.db", clock=lambda: NOW) as registry:
        states: list[tuple[int, str]] = []
        barrier = threading.Barrier(6)

        def work(place: int) -> None:
            barrier.wait()
            mine = [(number, registry.spend(claim(number, f"t{place}/{number}")).state) for number in range(40)]
            states.extend(mine)

        threads = [threading.Thread(target=work, args=(place,)) for place in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        counts = Counter(states)
        assert all(counts[number, "fresh"] == 1 and counts[number, "replayed"] == 5 for number in range(40))


def test_an_entry_is_never_removed_while_its_mandate_is_valid(tmp_path: Path, clock: object) -> None:
    issuer = Issuer(KEY, clock)  # type: ignore[arg-type]
    with Registry(tmp_path / "r.db", clock=clock, retain_s=0.0) as registry:  # type: ignore[arg-type]
        made = gate(registry, clock)
        short, long = issuer.issue(context(1), 10), issuer.issue(context(2), 1000)
        assert [spend(made, f"e{n}", m, context(n)) for n, m in ((1, short), (2, long))] == ["fresh", "fresh"]
        clock.advance(9.999)  # type: ignore[attr-defined]
        assert registry.prune() == 0
        clock.advance(0.001)  # type: ignore[attr-defined]
        assert registry.prune() == 1
        assert len(registry) == 1
        assert spend(made, "x", long, context(2)) == "replayed"


def test_a_clock_that_goes_back_brings_no_spent_mandate_to_life(tmp_path: Path, clock: object) -> None:
    mandate, unspent = Issuer(KEY, clock).issue_many([context(1), context(2)], 10)  # type: ignore[arg-type]
    with Registry(tmp_path / "r.db", clock=clock, retain_s=0.0) as registry:  # type: ignore[arg-type]
        assert spend(gate(registry, clock), "e1", mandate, context(1)) == "fresh"
        clock.advance(1e6)  # type: ignore[attr-defined]
        assert registry.prune() == 1
        clock.advance(-1e6)  # type: ignore[attr-defined]
    with Registry(tmp_path / "r.db", clock=clock, retain_s=0.0) as registry:  # type: ignore[arg-type]
        made = gate(registry, clock)
        assert spend(made, "e2", mandate, context(1)) == "expired"
        assert spend(made, "e3", unspent, context(2)) == "expired", "nobody can tell it from a spent one any more"
        later = Issuer(KEY, clock).issue(context(3), 20)  # type: ignore[arg-type]
        assert spend(made, "e4", later, context(3)) == "fresh"


@pytest.mark.parametrize("alive", [10, 100])
def test_the_registry_holds_what_is_in_force_not_what_has_been(tmp_path: Path, clock: object, alive: int) -> None:
    sizes: list[int] = []
    with Registry(tmp_path / "r.db", clock=clock, durability="normal", retain_s=0.0) as registry:  # type: ignore[arg-type]
        for number in range(20 * alive):
            now = int(clock() * 1000)  # type: ignore[operator]
            assert registry.spend(claim(number, expires_ms=now + alive)).state == "fresh"
            clock.advance(0.001)  # type: ignore[attr-defined]
            sizes.append(len(registry))
    assert max(sizes) <= alive + 1
    assert len(sizes) == 20 * alive


class Model:
    """What a registry should do, with everything remembered for ever."""

    def __init__(self) -> None:
        self.by_mandate: dict[int, str] = {}
        self.by_identity: dict[str, tuple[int, bytes | None]] = {}

    def spend(self, mandate: int, identity: str, late: bool) -> tuple[str, int]:
        if identity in self.by_identity:
            spent, outcome = self.by_identity[identity]
            return ("pending" if outcome is None else "stored"), spent
        if late or mandate in self.by_mandate:
            return ("expired" if late else "replayed"), mandate
        self.by_mandate[mandate] = identity
        self.by_identity[identity] = (mandate, None)
        return "fresh", mandate

    def settle(self, identity: str, outcome: bytes) -> bool:
        found = self.by_identity.get(identity)
        if found is None or found[1] is not None:
            return False
        self.by_identity[identity] = (found[0], outcome)
        return True


step = st.one_of(
    st.tuples(st.just("spend"), st.integers(0, 5), st.sampled_from("abcdef")),
    st.tuples(st.just("settle"), st.integers(0, 9), st.sampled_from("abcdef")),
    st.tuples(st.just("advance"), st.integers(1, 900), st.just("")),
    st.tuples(st.just("reopen"), st.just(0), st.just("")),
)


@settings(max_examples=40)
@given(st.lists(step, max_size=30))
def test_any_sequence_of_spends_outcomes_times_and_restarts_is_exactly_once(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int, str]]
) -> None:
    path = tmp_path_factory.mktemp("r") / "r.db"
    now = NOW

    def clock() -> float:
        return now

    model = Model()
    registry = Registry(path, clock=clock, durability="normal")
    try:
        for kind, number, identity in steps:
            if kind == "spend":
                late = now >= NOW + number
                expires = int((NOW + number) * 1000)
                spent = registry.spend(claim(number, identity, expires))
                assert (spent.state, int(spent.mandate, 16)) == model.spend(number, identity, late)
            elif kind == "settle":
                assert registry.settle(identity, b"%d" % number) is model.settle(identity, b"%d" % number)
            elif kind == "advance":
                now += number / 1000
            else:
                registry.close()
                registry = Registry(path, clock=clock, durability="normal")
        for identity, (_, outcome) in model.by_identity.items():
            found = registry.find(identity, "ab" * 32)
            assert found is not None
            assert found.outcome == outcome
    finally:
        registry.close()


def test_a_bad_claim_fails_alone(tmp_path: Path) -> None:
    with Registry(tmp_path / "r.db", clock=lambda: NOW) as registry:
        for bad in (
            Claim("xy", "e", "ab", 1),
            claim(1, expires_ms=2**63),
            claim(1, "\ud800"),
        ):
            with pytest.raises(InputError):
                registry.spend(bad)
        assert registry.spend(claim(1)).state == "fresh"


def test_a_failed_transaction_spends_nothing(tmp_path: Path) -> None:
    def broken() -> float:
        raise JournalWriteFailed("the clock is gone")

    with Registry(tmp_path / "r.db", clock=broken) as registry:
        with pytest.raises(JournalError):
            registry.spend(claim(1))
        assert len(registry) == 0
    with Registry(tmp_path / "r.db", clock=lambda: NOW) as registry:
        assert registry.spend(claim(1)).state == "fresh"


def test_files_that_are_no_registry_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(JournalCorrupt):
        Registry(path)
    path.unlink()
    sqlite3.connect(path).close()
    path.touch()
    with pytest.raises(JournalCorrupt):
        Registry(path)
    with pytest.raises(JournalWriteFailed):
        Registry(tmp_path / "r.db" / "below.db")
    path.unlink()
    Registry(path).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 2")
    db.close()
    with pytest.raises(JournalError, match="another terret"):
        Registry(path)


def test_the_file_is_private_synced_and_in_wal_mode(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    with Registry(path, clock=lambda: NOW) as registry:
        registry.spend(claim(1))
        assert path.stat().st_mode & 0o777 == 0o600
        with sqlite3.connect(path) as db:
            assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        db.close()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["r.db"]


def test_a_registry_once_written_is_read_for_ever(tmp_path: Path) -> None:
    shutil.copy(GOLDEN / "registry.db", tmp_path / "r.db")
    with Registry(tmp_path / "r.db", clock=lambda: NOW) as registry:
        assert len(registry) == 2
        assert registry.find("ep:0/e1", context(1).binding) == Spent("stored", "00" * 15 + "01", b'{"status":"ok"}')
        assert registry.find("ep:0/e2", context(2).binding) == Spent("pending", "00" * 15 + "02")
        assert registry.spend(claim(9, expires_ms=1_600_000_000_000)).state == "expired"


def test_a_mandate_once_written_is_read_and_believed_for_ever() -> None:
    lines = (GOLDEN / "mandates.jsonl").read_bytes().splitlines()
    assert len(lines) == 4
    verifier = Verifier([KEY.public_hex])
    for number, line in enumerate(lines):
        mandate = Mandate.decode(line)
        assert mandate.encode() == line
        assert verifier.refusal(mandate, context(number).binding, int(NOW * 1000)) is None


def write_golden() -> None:
    """Only ever to be run when a format's version is new."""
    GOLDEN.mkdir(exist_ok=True)
    (GOLDEN / "registry.db").unlink(missing_ok=True)
    issuer = Issuer(KEY, lambda: NOW)
    made = [*issuer.issue_many([context(n) for n in range(3)], 3600), issuer.issue(context(3), 3600)]
    (GOLDEN / "mandates.jsonl").write_bytes(b"".join(mandate.encode() + b"\n" for mandate in made))
    now = NOW - 1e8
    with Registry(GOLDEN / "registry.db", clock=lambda: now) as registry:
        registry.spend(claim(3, "ep:0/e0", expires_ms=int(now * 1000) + 1))
        now = NOW
        registry.prune()
        for number in (1, 2):
            ends = int(NOW * 1000) + 10**12
            registry.spend(Claim(f"{number:032x}", f"ep:0/e{number}", context(number).binding, ends))
        registry.settle("ep:0/e1", b'{"status":"ok"}')


if __name__ == "__main__":
    write_golden()
