"""What a ladder shows: text, JSON and the HTML report."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from itertools import product
from pathlib import Path

import msgspec
import pytest
from ladder_packages import call, result

from terret.gym import (
    PAPER_TABLE_5,
    Cell,
    CellResult,
    Ladder,
    gather,
    harness_card,
    ladder_document,
    ladder_table,
    report_html,
)

LOGIN = "login-empty-password"
EVIL = '<script>alert("x")</script>'


class Page(HTMLParser):
    """Ids, links, elements and texts of a document; complains about what is not closed in order."""

    VOID = frozenset({"meta", "br", "hr", "wbr", "rect", "line", "circle"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        self.tags.append((tag, known))
        if known.get("id"):
            self.ids.append(str(known["id"]))
        if known.get("href"):
            self.links.append(str(known["href"]))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture
def ladder(tmp_path: Path) -> Ladder:
    """Two models, two levels, two tasks; one cell in error with a hostile message."""
    results: list[CellResult] = []
    for model, level, task in product(("m/1", "n"), ("H0", "H3"), (LOGIN, "other")):
        cell = Cell(model, level, task, 1)
        if (model, level, task) == ("n", "H3", "other"):
            results.append(CellResult(cell, "error", f"episodes/{cell.id}", EVIL))
            continue
        label = "autonomous_verified_success" if level == "H3" else "failed"
        events = call("c", (1000, 10))
        results.append(result(tmp_path, cell, events, label=label, passed=level == "H3", wall=2.5))
    run = {"suite": "s & t", "command": f"terret ladder {EVIL}", "repeats": 1, "seed": 0}
    return gather(results, harness_card(tmp_path, results, run))


def test_the_table_shows_avsr_with_its_company_and_the_infrastructure_apart(ladder):
    text = ladder_table(ladder)
    blocks = re.split(r"^model (?=m/1|n)", text, flags=re.MULTILINE)[1:]
    assert len(blocks) == 2
    for block in blocks:
        rows = [line.split("  ")[0] for line in block.splitlines()]
        assert rows.index("functional pass") < rows.index("false completion") < rows.index("AVSR")
    second = blocks[1]
    assert "2 / 2" in second
    assert "1 / 2" in second
    assert re.search(r"not finished +0 +1", second)
    assert "H0 -> H3: passed 0 -> 2 of 2 pairs" in text
    assert f"error: h3-other-r1-{ladder.results[-1].cell.id[-8:]}: {EVIL}" in text


def test_the_document_is_json_with_every_figure_and_every_cell(ladder):
    found = msgspec.json.decode(msgspec.json.encode(ladder_document(ladder)))
    assert found["format"] == "terret.ladder/1"
    assert len(found["totals"]) == 4
    for totals in found["totals"]:
        assert {"functional_pass", "false_completion", "avsr"} <= totals["figures"].keys()
        assert "measured" not in totals
    assert len(found["cells"]) == 8
    assert [cell["metrics"]["tokens"] for cell in found["cells"] if cell["metrics"]] == [1010] * 7
    assert found["evidence"]["paper_table_5"]["H0"]["label"] == "autonomous_verified_success"
    assert "contradicts" in found["evidence"]["note"]


def test_the_card_discloses_what_the_packages_ran_with(ladder):
    card = ladder.card
    assert card["machine"]["cores"] >= 1
    assert card["model"] == [{"digest": None, "name": "scripted", "spec": "scripted"}]
    assert (card["image"], card["dialect"], card["enforcement"]) == (["free"], ["json"], [{"tier": "full"}])
    assert "read_file" in card["levels"]["H0"]["allowed_tools"][0]
    assert "check_registry" in card["levels"]["H3"]["visible_artifacts"][0]
    for name in ("sampling", "budget", "versions", "outcome_rule", "intervention_policy"):
        assert card[name]


def test_the_report_is_one_sound_file_without_scripts(ladder):
    text = report_html(ladder)
    page = Page(text)
    names = {tag for tag, _ in page.tags}
    assert names.isdisjoint({"script", "link", "img", "iframe"})
    assert "@import" not in text
    assert "url(" not in text
    assert "prefers-color-scheme:dark" in text
    assert "@media print" in text
    assert EVIL not in text
    assert len(set(page.ids)) == len(page.ids)


def test_every_link_leads_to_an_episode_that_is_there(ladder, tmp_path):
    page = Page(report_html(ladder))
    for link in page.links:
        if link.startswith("#"):
            assert link[1:] in page.ids
        else:
            assert (tmp_path / link).is_file(), link
    for cell in ladder.results:
        linked = {link for link in page.links if link.startswith(cell.package)}
        wanted = {f"{cell.package}/report.md", f"{cell.package}/episode.json"}
        assert linked == (wanted if cell.metrics else set())


def test_every_mark_and_every_figure_is_a_link(ladder):
    page = Page(report_html(ladder))
    dots = [tag for tag, known in page.tags if tag == "circle"]
    assert len(dots) == 2 * 7  # tokens and seconds of every finished episode
    text = report_html(ladder)
    for mark in re.finditer(r'<circle|<rect class="(?:pass|false|auto)"', text):
        before = text[: mark.start()]
        assert before.rfind("<a href=") > before.rfind("</a>")
    for caption in ("Figures by level", "Evidence the agent", "The login task"):
        table = re.search(rf"<table[^>]*><caption>{caption}.*?</table>", text, re.DOTALL)
        assert table
        assert all(cell.startswith("<a href=") for cell in re.findall(r"<td>(.*?)</td>", table[0], re.DOTALL))


def test_avsr_is_plotted_with_its_company_only(ladder):
    text = report_html(ladder)
    for index in range(2):
        places = [text.index(f'id="p{index}-{name}"') for name in ("functional_pass", "false_completion", "avsr")]
        assert places == sorted(places)


def test_tables_are_accessible(ladder):
    page = Page(report_html(ladder))
    tags = [tag for tag, _ in page.tags]
    assert tags.count("caption") == tags.count("table") > 0
    assert all(known.get("scope") in ("row", "col") for tag, known in page.tags if tag == "th")
    assert all(known.get("aria-labelledby") in page.ids for tag, known in page.tags if tag == "svg")


def test_the_login_task_stands_beside_the_paper(ladder):
    text = report_html(ladder)
    section = text[text.index('id="login"') :]
    assert section.count("<h3>") >= 2
    for level in ("H0", "H3"):
        assert PAPER_TABLE_5[level][0].replace("_", "_<wbr>") in section
    assert "The paper contradicts itself at H0" in section
    without = gather([item for item in ladder.results if item.cell.task != LOGIN], ladder.card)
    assert 'id="login"' not in report_html(without)


def test_a_ladder_of_faults_only_still_has_a_report(tmp_path):
    cell = Cell("m", "H0", "a", 1)
    results = [CellResult(cell, "error", f"episodes/{cell.id}", "no")]
    ladder = gather(results, harness_card(tmp_path, results, {"suite": "s"}))
    Page(report_html(ladder))
    assert "0 / 1" in ladder_table(ladder)
