"""Cells: planned in a seeded order, run once, resumed, and never stopped by one of them."""

from __future__ import annotations

import asyncio
from itertools import product
from pathlib import Path

import msgspec
import pytest
from ladder_packages import make

from terret.errors import ConfigError, ModelUnavailable
from terret.gym import Cell, CellResult, LadderSettings, SuiteTask, claim, plan, run_cells, suite_digest
from terret.task import Repository, Task

CELLS = plan(["m"], ["H0", "H3"], ["a", "b"], 2)


class Runner:
    """Makes a package for each cell; those in ``fail`` raise, those in ``suspend`` are suspended."""

    def __init__(self, out: Path, fail: dict[str, BaseException] | None = None, suspend: tuple[str, ...] = ()) -> None:
        self.out, self.fail, self.suspend = out, fail or {}, suspend
        self.ran: list[Cell] = []
        self.running = self.most = 0

    async def __call__(self, cell: Cell) -> CellResult:
        self.running += 1
        self.most = max(self.most, self.running)
        self.ran.append(cell)
        await asyncio.sleep(0)
        self.running -= 1
        if cell.id in self.fail:
            raise self.fail[cell.id]
        package = f"episodes/{cell.id}"
        if cell.id in self.suspend:
            return CellResult(cell, "suspended", package, "no answer [E_MODEL]")
        make(self.out / package, level=cell.level, task=cell.task)
        return CellResult(cell, "finished", package)


def run(out: Path, runner: Runner, **options: object) -> list[CellResult]:
    return asyncio.run(run_cells(CELLS, run_one=runner, out=out, **options))


def test_the_plan_holds_every_cell_once_in_an_order_drawn_from_the_seed():
    models, levels, tasks = ["m", "n"], ["H0", "H1", "H2"], ["a", "b", "c"]
    cells = plan(models, levels, tasks, 2, seed=4)
    every = {Cell(*parts) for parts in product(models, levels, tasks, (1, 2))}
    assert len(cells) == len(every) == 36
    assert set(cells) == every
    assert cells == plan(models, levels, tasks, 2, seed=4) != plan(models, levels, tasks, 2, seed=5)
    assert len({cell.id for cell in cells}) == 36
    levels_in_order = [cell.level for cell in cells]
    assert levels_in_order != sorted(levels_in_order)


def test_ids_of_cells_are_file_names():
    cell = Cell("http://h:1/v1#x/y", "H1", "../a b/c", 1)
    assert cell.id.startswith("h1-..-a-b-c-r1-")
    assert "/" not in cell.id
    assert cell.id != Cell("other", "H1", "../a b/c", 1).id


def test_every_cell_runs_once_and_a_second_call_runs_none(tmp_path):
    first = Runner(tmp_path)
    heard: list[tuple[str, bool]] = []
    results = run(tmp_path, first, jobs=3, on_cell=lambda result, ran: heard.append((result.cell.id, ran)))
    assert [result.cell for result in results] == CELLS
    assert all(result.metrics is not None and result.metrics.graded for result in results)
    assert first.most == 3
    assert sorted(heard) == sorted((cell.id, True) for cell in CELLS)
    again = Runner(tmp_path)
    assert run(tmp_path, again) == [msgspec.structs.replace(result, detail="") for result in results]
    assert again.ran == []
    assert len((tmp_path / "cells.jsonl").read_bytes().splitlines()) == len(CELLS)


def test_one_failing_cell_does_not_end_the_run_and_is_tried_again(tmp_path):
    bad, worse, slow = CELLS[0].id, CELLS[1].id, CELLS[2].id
    fail = {bad: ModelUnavailable("no answer", where="http://h"), worse: ZeroDivisionError("two\nlines")}
    results = run(tmp_path, Runner(tmp_path, fail, (slow,)))
    assert [result.status for result in results[:4]] == ["error", "error", "suspended", "finished"]
    assert "no answer" in results[0].detail
    assert results[1].detail == "ZeroDivisionError: two lines"
    assert results[2].metrics is None
    again = Runner(tmp_path)
    assert {result.status for result in run(tmp_path, again)} == {"finished"}
    assert again.ran == CELLS[:3]


def test_a_torn_line_and_a_lost_file_cost_nothing(tmp_path):
    run(tmp_path, Runner(tmp_path, {CELLS[0].id: OSError("gone")}))
    file = tmp_path / "cells.jsonl"
    file.write_bytes(file.read_bytes()[:-20])
    again = Runner(tmp_path)
    assert {result.status for result in run(tmp_path, again)} == {"finished"}
    assert again.ran == [CELLS[0]]
    rows = [line for line in file.read_bytes().splitlines() if line.endswith(b"}")]
    assert msgspec.json.decode(rows[-1], type=CellResult).status == "finished"
    file.unlink()
    assert {result.status for result in run(tmp_path, Runner(tmp_path))} == {"finished"}


def test_a_damaged_package_is_an_error_of_its_cell(tmp_path):
    run(tmp_path, Runner(tmp_path))
    (tmp_path / "episodes" / CELLS[0].id / "traces" / "outcome.json").write_text("{")
    results = run(tmp_path, Runner(tmp_path))
    assert (results[0].status, results[0].metrics) == ("error", None)
    assert {result.status for result in results[1:]} == {"finished"}


def test_cancelling_keeps_what_is_done(tmp_path):
    runner = Runner(tmp_path, {CELLS[2].id: asyncio.CancelledError()})
    with pytest.raises(asyncio.CancelledError):
        run(tmp_path, runner)
    assert len((tmp_path / "cells.jsonl").read_bytes().splitlines()) == 2


def test_jobs_must_be_positive(tmp_path):
    with pytest.raises(ConfigError, match="jobs"):
        run(tmp_path, Runner(tmp_path), jobs=0)


def task(name: str, content: str = "x") -> SuiteTask:
    return SuiteTask(name, Task(name, Repository(files={"a.py": content}), "do it"))


def test_a_folder_takes_more_cells_of_the_same_kind_and_no_others(tmp_path):
    claim(tmp_path, {"seed": 1, "ablate": []}, [task("a")])
    claim(tmp_path, {"seed": 1, "ablate": []}, [task("b")])
    claim(tmp_path, {"seed": 1, "ablate": []}, [task("a"), task("b")])
    for settings, tasks, named in (
        ({"seed": 2, "ablate": []}, [task("a")], "seed"),
        ({"seed": 1, "ablate": [], "tier": None, "image": "free"}, [task("a")], "image"),
        ({"seed": 1, "ablate": []}, [task("a", "other")], "task a"),
    ):
        with pytest.raises(ConfigError, match=named):
            claim(tmp_path, settings, tasks)


def test_the_digest_of_a_suite_is_that_of_its_contents(tmp_path):
    def at(place: str, content: str) -> list[SuiteTask]:
        folder = tmp_path / place
        folder.mkdir(exist_ok=True)
        (folder / "a.py").write_text(content)
        return [SuiteTask("t", Task("t", Repository(path=str(folder)), "do it"))]

    assert suite_digest(at("here", "x")) == suite_digest(at("there", "x")) != suite_digest(at("here", "y"))


def test_settings_have_no_ablation_by_default():
    assert LadderSettings().ablate == frozenset()
