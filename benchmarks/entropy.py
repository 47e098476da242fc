"""Precision and recall of the entropy auditor on its labelled diffs, and its silence on this repository's own commits.

Besides, burdens are planted in this repository's own modules, which were not written to be audited.

A labelled burden is found when a burden of its category, and of its rule where the label names one, is reported;
burdens of one rule in one diff count once. A reported rule that no label asks for is a false alarm.
"""

from __future__ import annotations

import ast
import hashlib
import io
import subprocess
import tarfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any, NamedTuple, TypeVar

import yaml

from benchmarks._report import Figure, finish, parser
from terret.entropy import RULES, Burden, audit
from terret.verification import find_weakening

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "tests" / "golden" / "entropy"
CATEGORIES = tuple(dict.fromkeys(rule.category for rule in RULES.values()))
LEAST = 0.85
"""Bound on precision and recall of the held-out part."""

COMMITS = 40

T = TypeVar("T")
Planter = Callable[[str, Random], str]


class Changed(NamedTuple):
    """A changed file."""

    path: str
    status: str


class Sample(NamedTuple):
    """One labelled diff."""

    id: str
    before: dict[str, str]
    after: dict[str, str]
    arguments: dict[str, Any]
    expected: list[dict[str, Any]]

    @property
    def held_out(self) -> bool:
        """Whether it is never looked at while the auditor is changed."""
        return hashlib.sha256(self.id.encode()).digest()[4] % 3 == 0

    @property
    def files(self) -> list[Changed]:
        """What changed."""
        old, new = self.before, self.after
        statuses = {path: "A" if path not in old else "D" if path not in new else "M" for path in {*old, *new}}
        return [Changed(path, status) for path, status in sorted(statuses.items()) if old.get(path) != new.get(path)]


class Score:
    """Counts of one category in one part."""

    def __init__(self) -> None:
        self.found = self.missed = self.false = self.severity = 0

    @property
    def precision(self) -> float:
        """Share of reported burdens that a label asks for; 1 when none is reported."""
        return self.found / (self.found + self.false) if self.found + self.false else 1.0

    @property
    def recall(self) -> float:
        """Share of labelled burdens that are reported; 1 when there is none."""
        return self.found / (self.found + self.missed) if self.found + self.missed else 1.0


def samples(folder: Path = FOLDER) -> list[Sample]:
    """Every labelled diff, in the order of the files."""
    bases = yaml.safe_load((folder / "bases.yaml").read_text("utf-8"))
    found: list[Sample] = []
    for path in sorted(folder.glob("*.yaml")):
        for row in yaml.safe_load(path.read_text("utf-8")) if path.name != "bases.yaml" else ():
            before = {**bases.get(row.get("base"), {}), **row.get("before", {})}
            arguments = {key: row[key] for key in ("hints", "state", "import_rules") if key in row}
            found.append(Sample(row["id"], before, _changed(row, before), arguments, row["expected"]))
    return found


def _changed(row: dict[str, Any], before: dict[str, str]) -> dict[str, str]:
    after = dict(before)
    for path, edits in row.get("edit", {}).items():
        for old, new in edits:
            if after[path].count(old) != 1:
                raise SystemExit(f"entropy: {row['id']}: {old!r} must occur once in {path}")
            after[path] = after[path].replace(old, new)
    for path, content in row.get("after", {}).items():
        if content is None:
            del after[path]
        else:
            after[path] = content
    return after


def run(sample: Sample, *, closer: bool = False) -> list[Burden]:
    """Audit one labelled diff; ``closer`` hands over what ``find_weakening`` finds."""
    old = {path: text.encode() for path, text in sample.before.items()}
    new = {path: text.encode() for path, text in sample.after.items()}
    weakened = None
    if closer:
        found = find_weakening(old.get, new.get, sample.files)
        weakened = [{name: getattr(item, name) for name in item.__struct_fields__} for item in found]
    return audit(old.get, new.get, sample.files, paths=sorted(new), weakened=weakened, **sample.arguments)


def grade(expected: Sequence[dict[str, Any]], found: Sequence[Burden], scores: dict[str, Score]) -> list[str]:
    """Add one diff to the scores; what went wrong, as lines."""
    reported = Counter((item.category, item.rule) for item in found)
    severities = {(item.category, item.rule): item.severity for item in found}
    wrong: list[str] = []
    for label in sorted(expected, key=lambda label: ("rule" not in label, label.get("optional", False))):
        hits = [key for key in reported if key[0] == label["category"] and label.get("rule", key[1]) == key[1]]
        for key in hits if label.get("optional") or "rule" not in label else hits[:1]:
            del reported[key]
        score = scores[label["category"]]
        if label.get("optional"):
            continue
        score.found += bool(hits)
        score.missed += not hits
        score.severity += bool(hits) and severities[hits[0]] == label["severity"]
        if not hits:
            wrong.append(f"missed {label['category']}/{label.get('rule', '*')}")
        elif severities[hits[0]] != label["severity"]:
            wrong.append(f"severity of {hits[0][1]} is {severities[hits[0]]}, labelled {label['severity']}")
    for category, rule in reported:
        scores[category].false += 1
        wrong.append(f"false alarm {category}/{rule}")
    return wrong


def measure(chosen: Sequence[Sample], *, closer: bool = False) -> tuple[dict[str, Score], dict[str, list[str]]]:
    """Scores by category, and what went wrong by diff."""
    scores: dict[str, Score] = defaultdict(Score)
    wrong: dict[str, list[str]] = {}
    for sample in chosen:
        if lines := grade(sample.expected, run(sample, closer=closer), scores):
            wrong[sample.id] = lines
    return scores, wrong


def total(scores: dict[str, Score]) -> Score:
    """All categories together."""
    result = Score()
    for score in scores.values():
        for name in ("found", "missed", "false", "severity"):
            setattr(result, name, getattr(result, name) + getattr(score, name))
    return result


def _in_a_function(text: str, random: Random) -> tuple[int, str]:
    """Index and indentation of a random statement line inside a function; raises LookupError when there is none."""
    found = [
        (statement.lineno - 1, " " * statement.col_offset)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for statement in node.body[1:]
        if isinstance(statement, ast.Assign | ast.Return | ast.Expr | ast.If | ast.For)
    ]
    return _one_of(found, random)


def _one_of(found: Sequence[T], random: Random) -> T:
    """A random one; raises LookupError when there is none."""
    if not found:
        raise LookupError
    return found[random.randrange(len(found))]


def _insert(*rows: str) -> Planter:
    """Put lines before a random statement."""

    def plant(text: str, random: Random) -> str:
        at, indent = _in_a_function(text, random)
        lines = text.split("\n")
        return "\n".join([*lines[:at], *(indent + row for row in rows), *lines[at:]])

    return plant


def _change_line(change: Callable[[str], str]) -> Planter:
    """Change the line of a random statement."""

    def plant(text: str, random: Random) -> str:
        at, _ = _in_a_function(text, random)
        lines = text.split("\n")
        return "\n".join([*lines[:at], change(lines[at]), *lines[at + 1 :]])

    return plant


def _repeat(text: str, random: Random) -> str:
    """Repeat a long function under another name."""
    lines = text.split("\n")
    nodes = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef) and not node.decorator_list]
    long = [node for node in nodes if (node.end_lineno or 0) - node.body[-1].lineno < 3 and len(node.body) > 7]
    chosen = _one_of(long, random)
    copy = lines[chosen.lineno - 1 : chosen.end_lineno]
    copy[0] = copy[0].replace(f"def {chosen.name}", f"def {chosen.name}_again")
    return text + "\n\n" + "\n".join(copy) + "\n"


PLANTED: dict[str, Planter] = {
    "debugger": _insert("breakpoint()"),
    "todo_added": _insert("# TODO: think again"),
    "commented_out_code": _insert("# value = compute(1)", "# store(value)"),
    "syntax_error": _insert("if (x"),
    "mixed_indentation": _insert("if True:", "\tpass"),
    "undeclared_dependency": _insert("import pandas"),
    "trailing_whitespace": _change_line(lambda line: line + "  "),
    "suppression_added": _change_line(lambda line: line + "  # type: ignore"),
    "missing_final_newline": lambda text, _: text.rstrip("\n"),
    "unused_symbol": lambda text, _: text + "\n\ndef _never_called(value):\n    return value\n",
    "unused_import": lambda text, _: text.replace("\nimport ", "\nimport colorsys\nimport ", 1),
    "duplicate_block": _repeat,
}
"""Burdens put into real modules, by the rule that has to find them."""


def planted(each: int) -> dict[str, list[int]]:
    """Found and planted burdens by rule, in modules of this repository chosen by a fixed seed."""
    random = Random(0)
    tree = {str(path.relative_to(ROOT)): path.read_bytes() for path in sorted((ROOT / "src").rglob("*.py"))}
    tree["pyproject.toml"] = (ROOT / "pyproject.toml").read_bytes()
    modules = [path for path in tree if path.endswith(".py") and "/starter/" not in path and "__init__" not in path]
    counts = {rule: [0, 0] for rule in PLANTED}
    for rule, plant in PLANTED.items():
        for path in random.sample(modules, len(modules)):
            if counts[rule][1] == each:
                break
            try:
                text = plant(tree[path].decode(), random)
            except LookupError:
                continue
            if text.encode() == tree[path]:
                continue
            after = {**tree, path: text.encode()}
            found = audit(tree.get, after.get, [Changed(path, "M")], paths=sorted(after), weakened=[])
            counts[rule][0] += any(item.rule == rule for item in found)
            counts[rule][1] += 1
    return counts


def git(*arguments: str) -> bytes:
    """What a git command on this repository prints; empty when there is no repository."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=False)
    return done.stdout if done.returncode == 0 else b""


def commits(limit: int) -> Iterator[tuple[str, str, list[Burden]]]:
    """The newest commits that touch ``src``: short name, subject, and burdens of severity 2 and 3 in ``src``."""
    listing = git("log", f"-{limit}", "--no-merges", "--format=%h%x00%s", "--", "src").decode("utf-8", "replace")
    for row in listing.splitlines():
        name, _, subject = row.partition("\0")
        if not git("rev-parse", "--verify", "--quiet", f"{name}^"):
            continue
        rows = git("diff", "--name-status", "--no-renames", "-z", f"{name}^", name).decode().split("\0")[:-1]
        files = [Changed(path, status) for status, path in zip(rows[::2], rows[1::2], strict=True)]
        before, after = _tree(f"{name}^"), _tree(name)
        found = audit(before.get, after.get, files, paths=sorted(after), weakened=[])
        yield name, subject, [item for item in found if item.severity >= 2 and item.path.startswith("src/")]


def _tree(commit: str) -> dict[str, bytes]:
    """Every file of a commit."""
    archive = git("archive", "--format=tar", commit)
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {item.name: tar.extractfile(item).read() for item in tar if item.isfile()}  # type: ignore[union-attr]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 1 when a bound is missed."""
    options = parser("precision and recall of the entropy auditor")
    options.add_argument("--commits", type=int, default=COMMITS, help="own commits to audit")
    options.add_argument(
        "--show", action="store_true", help="list what went wrong in the tuned part, never the held-out one"
    )
    options.add_argument("--planted", type=int, default=4, help="burdens of each kind planted in own modules")
    chosen = options.parse_args(arguments)
    every = samples()
    parts = {
        "tuned": [sample for sample in every if not sample.held_out],
        "held out": [sample for sample in every if sample.held_out],
        "all": every,
    }
    figures: list[Figure] = []
    table: dict[str, dict[str, Any]] = {}
    for name, part in parts.items():
        scores, wrong = measure(part)
        if chosen.show and name == "tuned":
            for sample, lines in wrong.items():
                print(f"{sample}: {'; '.join(lines)}")
        table[name] = {category: _row(scores[category]) for category in CATEGORIES}
        summed = total(scores)
        table[name]["all"] = _row(summed)
        bound = LEAST if name == "held out" else None
        slug = name.replace(" ", "_")
        figures.append(Figure(f"precision_{slug}", summed.precision, "", bound, least=True, note=f"{len(part)} diffs"))
        figures.append(Figure(f"recall_{slug}", summed.recall, "", bound, least=True))
    clean = [sample for sample in every if not sample.expected]
    loud = sum(any(item.severity >= 2 for item in run(sample)) for sample in clean)
    figures.append(
        Figure("clean_diffs_loud", loud / len(clean), "", note=f"{loud} of {len(clean)} with severity 2 or 3")
    )
    closer = measure(every, closer=True)[0]["test"]
    table["with find_weakening"] = {"test": _row(closer)}
    counts = planted(chosen.planted)
    hits, all_planted = (sum(row[at] for row in counts.values()) for at in (0, 1))
    if all_planted:
        figures.append(
            Figure("planted_recall", hits / all_planted, "", LEAST, least=True, note=f"{all_planted} planted")
        )
    history = list(commits(chosen.commits)) if chosen.commits else []
    if history:
        loud = sum(bool(found) for _, _, found in history)
        figures.append(Figure("own_commits_loud", loud / len(history), "", note=f"{loud} of {len(history)} commits"))
    if not chosen.json:
        _print(table, history)
        print("planted, found of all:", ", ".join(f"{rule} {found}/{of}" for rule, (found, of) in counts.items()))
    rows = [{"commit": name, "subject": subject, "burdens": _builtins(found)} for name, subject, found in history]
    return finish("entropy", figures, as_json=chosen.json, extra={"table": table, "planted": counts, "commits": rows})


def _row(score: Score) -> dict[str, float]:
    return {
        "labels": score.found + score.missed,
        "found": score.found,
        "false": score.false,
        "precision": round(score.precision, 3),
        "recall": round(score.recall, 3),
        "severity_right": score.severity,
    }


def _builtins(found: Sequence[Burden]) -> list[dict[str, Any]]:
    return [{name: getattr(item, name) for name in item.__struct_fields__} for item in found]


def _print(table: dict[str, dict[str, Any]], history: Sequence[tuple[str, str, list[Burden]]]) -> None:
    columns = ("labels", "found", "false", "precision", "recall", "severity_right")
    print(f"{'part':<20}{'category':<15}" + "".join(f"{column:>15}" for column in columns))
    for part, rows in table.items():
        for category, row in rows.items():
            print(f"{part:<20}{category:<15}" + "".join(f"{row[column]:>15}" for column in columns))
    for name, subject, found in history:
        for item in found:
            print(f"{name} {subject[:40]}: {item.severity} {item.rule} {item.path}:{item.line}: {item.evidence[:80]}")


if __name__ == "__main__":
    raise SystemExit(main())
