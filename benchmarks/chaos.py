"""kill -9 at every named boundary and at random times: nothing lost, nothing twice, every doubt reported.

Each point is one scripted episode with file, shell, child-process and HTTP effects. Its process is killed (a third of
the points several times, during recovery too) and resumed until it ends; then its package, what a counting loopback
server received, and what the journal held at each death are compared with the uninterrupted run.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
import urllib.request
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks._chaos_world import KEYED, PLAIN, Bomb, go, start_server
from benchmarks._report import Figure, finish, parser
from terret.errors import EpisodeNotFound, JournalError
from terret.journal import (
    BOUNDARIES,
    EpisodeResumed,
    Event,
    Intent,
    Journal,
    Observed,
    Outcome,
    check_package,
    read_journal_jsonl,
)
from terret.runtime import unknown_effects
from terret.sandbox import probe

SEED = 5
VOLATILE = {
    "ts", "started", "ended", "duration_ms", "seconds", "first_token_s", "wall", "wall_ms", "cpu_ms", "peak_kb",
    "effect_s", "model_s", "episode", "id", "usage", "url", "target", "command", "bytes",
    "used",
}  # fmt: skip
"""What two runs of the same thing may differ in."""

_MOST_LIVES = 12
_PATIENCE_S = 120.0


class Whole(NamedTuple):
    """The uninterrupted run: its final state, its traces, its boundaries and how long it took."""

    state: dict[str, Any]
    traces: dict[str, Any]
    counts: dict[str, int]
    seconds: float
    plain: int
    """Which of its effects is the request without a key, from one."""


class Point(NamedTuple):
    """Where one episode is killed: at a boundary's n-th time in each life, or after a share of the run's time."""

    number: int
    kills: list[tuple[str | None, int, float]]


class Life(NamedTuple):
    """One process of an episode: how it ended, and the journal it left."""

    code: int
    events: list[Event]
    note: str


def stable(value: Any) -> Any:
    """A value without what two runs may differ in."""
    if isinstance(value, dict):
        return {name: stable(member) for name, member in value.items() if name not in VOLATILE}
    return [stable(item) for item in value] if isinstance(value, list) else value


def final_state(folder: Path) -> dict[str, Any]:
    """What an episode came to: its patch and its verdict."""
    outcome = json.loads((folder / "traces" / "outcome.json").read_text())
    checks = json.loads((folder / "verification.json").read_text())
    return {"patch": (folder / "patch.diff").read_text(), "outcome": stable(outcome), "checks": stable(checks)}


def traces(folder: Path) -> dict[str, Any]:
    """What an episode went through."""
    lines = {path.name: path.read_text().splitlines() for path in sorted(folder.glob("traces/*.jsonl"))}
    return {name: [stable(json.loads(line)) for line in found] for name, found in lines.items()}


def live(folder: Path, port: int, bomb: Bomb, after_s: float | None, report: Path | None = None) -> Life:
    """One process of an episode, forked from here with everything imported; killed after a time unless it ends."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setpgid(0, 0)
            ended = asyncio.run(go(folder, port, bomb))
            code = 0 if ended is not None and ended.status == "finished" else 3 if ended is None else 4
            if report is not None:
                report.write_text(json.dumps(bomb.counts))
        except BaseException:
            (folder.parent / f"{folder.name}.error").write_text(traceback.format_exc())
        finally:
            sys.stdout.flush()
            os._exit(code)
    waiter = os.pidfd_open(child)
    late = not select.select([waiter], [], [], _PATIENCE_S if after_s is None else after_s)[0]
    if late:
        os.kill(child, signal.SIGKILL)
    os.close(waiter)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    error = folder.parent / f"{folder.name}.error"
    note = "it hung" if late and after_s is None else error.read_text() if error.exists() else ""
    error.unlink(missing_ok=True)
    return Life(code, _durable(folder), note)


def _durable(folder: Path) -> list[Event]:
    """What the journal of an episode holds on disk."""
    if (folder / "episode.json").exists() and (folder / "head.json").exists():
        return read_journal_jsonl((folder / "journal.jsonl").read_bytes())
    try:
        return Journal.read(folder / "live")
    except (EpisodeNotFound, JournalError):
        return []


def uninterrupted(base: Path, port: int) -> Whole:
    """The run that every other one is compared with."""
    folder = base / "whole-00000"
    began = time.perf_counter()
    ended = live(folder, port, Bomb(), None, base / "counts.json")
    seconds = time.perf_counter() - began
    assert ended.code == 0, ended.note
    package = check_package(folder)
    assert not [event for event in package.events if isinstance(event.data, Observed) and not event.data.ok]
    counts = json.loads((base / "counts.json").read_text())
    urls = [event.data.args.get("url", "") for event in package.events if isinstance(event.data, Intent)]
    plain = next(nth for nth, url in enumerate(urls, 1) if url.endswith(f"/{PLAIN}"))
    return Whole(final_state(folder), traces(folder), counts, seconds, plain)


def plan(points: int, counts: dict[str, int], plain: int) -> list[Point]:
    """One between a request without a key and its outcome; of the others half at boundaries, half at random times."""
    rng = random.Random(SEED)
    names = [name for name in BOUNDARIES if counts.get(name) or name.startswith("resumed")]
    planned = [Point(0, [("outcome.before", plain, 0.0)])]
    for number in range(1, points):
        deaths = 1 if number % 3 else rng.randint(2, 4)
        kills: list[tuple[str | None, int, float]] = []
        for death in range(deaths):
            if (number + death) % 2 == 0:
                name = names[(number // 2 + death) % len(names)]
                if name.startswith("resumed") and death == 0:
                    kills.append((None, 1, rng.random()))
                kills.append((name, rng.randint(1, max(1, counts.get(name, 1))), 0.0))
            else:
                kills.append((None, 1, rng.random()))
        planned.append(Point(number, kills))
    return planned


def try_point(point: Point, base: Path, port: int, whole: Whole) -> dict[str, Any]:
    """Kill an episode as planned, resume it to its end, and say what is wrong with it."""
    folder = base / f"point-{point.number:05}"
    lives: list[Life] = []
    reached: list[str] = []
    kills = list(point.kills)
    began_anew = 0
    while len(lives) < _MOST_LIVES:
        name, nth, share = kills.pop(0) if kills else (None, 1, -1.0)
        after = share * whole.seconds * 1.1 if name is None and share >= 0 else None
        life = live(folder, port, Bomb(name, nth), after)
        lives.append(life)
        if life.code == -signal.SIGKILL:
            reached.append(name or "random")
        elif life.code == 3:
            # Its first event never became durable: nothing was done, and it is begun anew.
            began_anew += 1
            shutil.rmtree(folder)
        elif not kills or life.code != 0:
            break
        else:
            break
    found = _faults(folder, lives, _counts(port, folder.name), whole)
    shutil.rmtree(folder, ignore_errors=True)
    return {**found, "point": point.number, "reached": reached, "began_anew": began_anew, "kills": point.kills}


def _faults(folder: Path, lives: list[Life], server: dict[str, Any], whole: Whole) -> dict[str, Any]:
    last = lives[-1]
    result: dict[str, Any] = {"lost": [], "twice": [], "unreported": [], "unequal": [], "saved": server["saved"]}
    result["unknown"] = 0
    if last.code != 0:
        result["lost"].append(f"did not end (code {last.code}): {last.note}")
        return result
    events = check_package(folder).events
    for life in lives[:-1]:
        if life.events and [event.hash for event in events[: len(life.events)]] != [e.hash for e in life.events]:
            result["lost"].append("a durable event is not in the package")
    outcomes = {event.data.effect: event.data for event in events if isinstance(event.data, Outcome)}
    done = [event.data.effect for event in events if isinstance(event.data, Outcome)]
    result["twice"] += [f"outcome of {name}" for name, times in Counter(done).items() if times > 1]
    _check_unknown(result, events, lives, outcomes)
    _check_server(result, events, outcomes, server["applied"])
    state = final_state(folder)
    _forget_surfaced(state, result["unknown"])
    result["unequal"] += [f"final {name}: {state[name]}" for name in state if state[name] != whole.state[name]]
    if not result["unknown"] and traces(folder) != whole.traces:
        differing = [name for name, rows in traces(folder).items() if rows != whole.traces[name]]
        result["unequal"].append(f"traces {differing}")
    return result


def _forget_surfaced(state: dict[str, Any], unknown: int) -> None:
    """Take the requests told as unknown out of the count of failed tools: the one thing they change at the end."""
    for facts in (state["outcome"]["facts"], state["checks"]["facts"]):
        facts["counts"]["failed_tools"] -= unknown


def _check_unknown(
    result: dict[str, Any], events: list[Event], lives: list[Life], outcomes: dict[str, Outcome]
) -> None:
    """Every effect that a death left without outcome is told of when the episode goes on, by its rule."""
    told = {one["effect"]: one["rule"] for e in events if isinstance(e.data, EpisodeResumed) for one in e.data.unknown}
    for life in lives[:-1]:
        for one in unknown_effects(life.events):
            if told.get(one["effect"]) != one["rule"]:
                result["unreported"].append(f"{one['primitive']} {one['effect']}")
            elif one["rule"] == "surface" and outcomes[one["effect"]].status != "unknown":
                result["unreported"].append(f"{one['effect']} was to be surfaced, is {outcomes[one['effect']].status}")
    for name, outcome in outcomes.items():
        if outcome.status == "unknown":
            result["unknown"] += 1
            seen = [e.data for e in events if isinstance(e.data, Observed) and name in e.data.effects]
            failures = [(observed.failure or {}).get("type") for observed in seen]
            if failures != ["unknown_outcome"]:
                result["unreported"].append(f"the agent was not told of {name}: {failures}")


def _check_server(
    result: dict[str, Any], events: list[Event], outcomes: dict[str, Outcome], applied: dict[str, int]
) -> None:
    """What reached the world: keyed effects exactly once, others at most once, and once when the journal says so."""
    for item in KEYED:
        times = applied.get(item, 0)
        result["lost" if times < 1 else "twice"] += [] if times == 1 else [f"{item} applied {times} times"]
    times = applied.get(PLAIN, 0)
    mine = [e.data for e in events if isinstance(e.data, Intent) and e.data.args.get("url", "").endswith(f"/{PLAIN}")]
    status = outcomes[mine[-1].effect].status
    if times > 1:
        result["twice"].append(f"{PLAIN} applied {times} times")
    if times < 1 and status == "ok":
        result["lost"].append(f"{PLAIN} recorded and not applied")


def _counts(port: int, name: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/counts/{name}", timeout=20) as answer:
        return json.loads(answer.read())


def work(points: Sequence[Point], base: Path, port: int, whole: Whole, out: Path, until: float) -> None:
    """One fork server: its points one after another, a line for each."""
    with out.open("w") as file:
        for point in points:
            if time.monotonic() > until:
                return
            file.write(json.dumps(try_point(point, base, port, whole)) + "\n")
            file.flush()


def run(points: int, jobs: int, minutes: float) -> tuple[list[dict[str, Any]], Whole, float]:
    """All points over fork servers; the results, the uninterrupted run and the seconds it took."""
    probe()
    began = time.monotonic()
    port, server = start_server()
    try:
        with tempfile.TemporaryDirectory(prefix="terret-chaos-") as name:
            base = Path(name)
            whole = uninterrupted(base, port)
            planned = plan(points, whole.counts, whole.plain)
            workers: dict[int, Path] = {}
            for job in range(jobs):
                out = base / f"results-{job}"
                child = os.fork()
                if child == 0:
                    code = 1
                    try:
                        work(planned[job::jobs], base, port, whole, out, began + 60 * minutes)
                        code = 0
                    except BaseException:
                        traceback.print_exc()
                    finally:
                        os._exit(code)
                workers[child] = out
            codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in workers]
            assert not any(codes), f"a fork server failed: {codes}"
            lines = [line for out in workers.values() for line in out.read_text().splitlines()]
            return [json.loads(line) for line in lines], whole, time.monotonic() - began
    finally:
        os.kill(server, signal.SIGKILL)
        os.waitpid(server, 0)


def main(argv: Sequence[str] | None = None) -> int:
    options = parser("kill -9 everywhere, and what is left")
    options.add_argument("--points", type=int, default=60, metavar="N", help="episodes to kill [default: 60]")
    options.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="points at a time")
    options.add_argument("--minutes", type=float, default=120.0, metavar="M", help="give up after this long")
    chosen = options.parse_args(argv)
    results, whole, seconds = run(chosen.points, chosen.jobs, chosen.minutes)
    wrong = [one for one in results if one["lost"] or one["twice"] or one["unreported"] or one["unequal"]]
    for one in wrong if not chosen.json else []:
        print(json.dumps(one))
    reached = Counter(name for one in results for name in one["reached"])
    missing = [name for name in BOUNDARIES if name not in reached]
    total = {name: sum(len(one[name]) for one in results) for name in ("lost", "twice", "unreported", "unequal")}
    kills = sum(reached.values())
    figures = [
        Figure("points", len(results), "", chosen.points, least=True),
        Figure("kills", kills, "", note=f"{reached['random']} at random times, the others at boundaries"),
        Figure("boundaries", len(BOUNDARIES) - len(missing), "", note=f"of {len(BOUNDARIES)}; not: {missing}"),
        Figure("lost", total["lost"], "", 0),
        Figure("duplicated", total["twice"], "", 0),
        Figure("unreported unknown", total["unreported"], "", 0),
        Figure("unequal", total["unequal"], "", 0),
        Figure("surfaced", sum(one["unknown"] for one in results), "", note="unkeyed requests told as unknown"),
        Figure("repeats under a key", sum(one["saved"] for one in results), "", note="applied once all the same"),
        Figure("seconds", seconds, "s", note=f"{whole.seconds:.2f} s an uninterrupted episode"),
    ]
    extra = {"wrong": wrong, "reached": reached}
    return finish("chaos", figures, as_json=chosen.json, extra=extra)


if __name__ == "__main__":
    sys.exit(main())
