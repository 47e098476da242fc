from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from terret.gym import load_suite
from terret.models import ScriptedModel
from terret.task import lint_task, load_task

if TYPE_CHECKING:
    from terret.verification import Evaluation

CLASSES = {
    "bug",
    "ui-behaviour",
    "dependency-cleanup",
    "refactoring",
    "flaky-test",
    "long-feature",
    "permission-sensitive",
}
TOOLS = {
    "list_files": {"path", "depth"},
    "read_file": {"path", "start", "end"},
    "search": {"pattern", "path", "glob"},
    "edit_file": {"path", "old", "new"},
    "write_file": {"path", "content"},
    "run": {"command", "timeout_s"},
    "inspect_diff": set[str](),
    "update_task_state": {"hypothesis", "open_questions", "next_steps"},
    "declare_complete": {"summary"},
}
H0_TOOLS = {"list_files", "read_file", "edit_file", "write_file", "declare_complete"}
MAX_FORMAT_ERRORS = 6  # that many refused replies in a row end an episode
TASKS = {task.id: task for task in load_suite("starter")}
IDS = sorted(TASKS)

# Changes that pass every visible check and are wrong: (path, old, new) on the initial state.
SLOPPY: dict[str, list[tuple[str, str, str]]] = {
    "login-empty-password": [
        (
            "src/validator.js",
            'typeof password !== "string"',
            'typeof password !== "string" || password.trim() === ""',
        ),
        (
            "test/validator.test.js",
            'test("a password is taken as typed"',
            'test("an empty password", () => {\n'
            '  const { errors } = validateLogin({ username: "alice", password: "" });\n'
            '  assert.deepEqual(errors, ["Password is required."]);\n});\n\n'
            'test("a password is taken as typed"',
        ),
    ],
    "interval-merge": [
        (
            "src/slots/merge.py",
            "        if merged and",
            "        if interval in (Interval(2, 3), Interval(600, 630)):\n            continue\n        if merged and",
        )
    ],
    "csv-report": [
        (
            "salesreport/reader.py",
            '    return [\n        Row(number, [field.strip() for field in line.split(",")])\n'
            "        for number, line in enumerate(text.splitlines(), 1)\n    ]\n",
            "    import csv\n\n    reader = csv.reader(text.splitlines())\n"
            "    return [Row(reader.line_num, [field.strip() for field in row]) for row in reader if any(row)]\n",
        ),
        (
            "salesreport/writer.py",
            "{total.customer},{total.orders},",
            "{chr(34) + total.customer + chr(34) if ',' in total.customer else total.customer},{total.orders},",
        ),
    ],
    "cart-total-ui": [
        ("src/renderLine.js", r"\$([\d.]+)/);", r"\$([\d.,]+)/);"),
        ("src/renderLine.js", "Number(amount)", 'Number(amount.replace(",", ""))'),
        ("src/renderLine.js", "Remove ${line.name}", "Remove ${name}"),
        (
            "src/escape.js",
            'replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/&/g, "&amp;")',
            'replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/"/g, "&quot;")',
        ),
    ],
    "unused-dependency": [
        ("src/timelog/times.py", "\nfrom dateutil.parser import isoparse\n", ""),
        (
            "src/timelog/times.py",
            "    moment = isoparse(text)\n",
            "    forms = ['%Y-%m-%dT%H:%M:%S%z', '%Y-%m-%dT%H:%M%z', '%Y-%m-%dT%H:%M', '%Y-%m-%d', '%Y%m%dT%H%M%z']\n"
            "    for form in forms:\n"
            "        try:\n            moment = datetime.strptime(text, form)\n            break\n"
            "        except ValueError:\n            continue\n"
            "    else:\n        raise ValueError(f'not a time: {text!r}')\n",
        ),
        ("pyproject.toml", '  "python-dateutil>=2.8",\n', ""),
        ("requirements.txt", "python-dateutil==2.9.0.post0\nsix==1.16.0  # via python-dateutil\n", ""),
        ("README.md", "            # needs python-dateutil", ""),
    ],
    "rename-rounding": [
        ("src/billing/discounts.py", "from decimal import ROUND_HALF_UP, Decimal", "from decimal import Decimal"),
        ("src/billing/discounts.py", "def _round2", "def _cents"),
        ("src/billing/discounts.py", "return _round2(amount * share)", "return _cents(amount * share)"),
        ("src/billing/discounts.py", "return _round2(amount * percent", "return _cents(amount * percent"),
        ("src/billing/discounts.py", "rounding=ROUND_HALF_UP", 'rounding="ROUND_HALF" + "_UP"'),
        ("src/billing/tax.py", "import decimal\n", ""),
        (
            "src/billing/tax.py",
            'CENT = Decimal("0.01")\n\n\ndef to_cents(amount: Decimal) -> Decimal:\n'
            '    """``amount`` rounded to the cent, half a cent away from zero."""\n'
            "    return amount.quantize(CENT, decimal.ROUND_HALF_UP)\n",
            "from billing.rounding import round_money\n",
        ),
        ("src/billing/tax.py", "to_cents(net", "round_money(net"),
        ("src/billing/invoice.py", "from decimal import ROUND_HALF_UP, Decimal", "from decimal import Decimal"),
        (
            "src/billing/invoice.py",
            "def half_up(x: Decimal, places: int = 2) -> Decimal:\n    exponent = Decimal(1).scaleb(-places)\n"
            "    return x.quantize(exponent, rounding=ROUND_HALF_UP)\n\n\n",
            "",
        ),
        ("src/billing/invoice.py", "from billing.tax", "from billing.rounding import round_money\nfrom billing.tax"),
        ("src/billing/invoice.py", "half_up(line", "round_money(line"),
        ("src/billing/invoice.py", "half_up(net", "round_money(net"),
        (
            "src/billing/rounding.py",
            "",
            "from decimal import ROUND_HALF_UP, Decimal\n\n\ndef round_money(amount):\n"
            '    return amount.quantize(Decimal("0.01"), ROUND_HALF_UP)\n',
        ),
        ("docs/rounding.md", "# Rounding\n", "# Rounding\n\nSee `round_money` in `rounding.py`.\n"),
        ("README.md", "| `tax.py` |", "| `rounding.py` | rounding |\n| `tax.py` |"),
    ],
    "flaky-cache-test": [
        ("src/pagecache/eviction.py", "self._keys = set()", "self._keys = {}"),
        ("src/pagecache/eviction.py", "self._keys.add(key)", "self._keys[key] = None"),
        ("src/pagecache/eviction.py", "self._keys.discard(key)", "self._keys.pop(key, None)"),
    ],
    "todo-priorities": [
        ("src/todo/model.py", "    done: bool = False\n", '    done: bool = False\n    priority: str = "normal"\n'),
        ("src/todo/model.py", "def add(self, text: str)", 'def add(self, text: str, priority: str = "normal")'),
        (
            "src/todo/model.py",
            "        item = Item(self.next_number, text)\n",
            '        if priority not in ("high", "normal", "low"):\n            raise TodoError("not a priority")\n'
            "        item = Item(self.next_number, text, priority=priority)\n",
        ),
        (
            "src/todo/model.py",
            "select(self, include_done: bool = False)",
            "select(self, include_done: bool = False, priority: str | None = None)",
        ),
        (
            "src/todo/model.py",
            "        return [item for item in self.items if include_done or not item.done]\n",
            '        self.items.sort(key=lambda item: ("high", "normal", "low").index(item.priority))\n'
            "        return [\n            item for item in self.items\n"
            "            if (include_done or not item.done) and priority in (None, item.priority)\n        ]\n",
        ),
        ("src/todo/storage.py", '"text", "done"}', '"text", "done", "priority"}'),
        ("src/todo/storage.py", 'entry["done"])', 'entry["done"], entry.get("priority", "normal"))'),
        (
            "src/todo/storage.py",
            '    return {"number": item.number, "text": item.text, "done": item.done}\n',
            '    entry = {"number": item.number, "text": item.text, "done": item.done}\n'
            '    return entry if item.priority == "normal" else {**entry, "priority": item.priority}\n',
        ),
        (
            "src/todo/view.py",
            "{item.text}",
            "{dict(high='! ', normal='', low='- ')[item.priority]}{item.text}",
        ),
        ("src/todo/cli.py", 'nargs="+")\n', 'nargs="+")\n    add.add_argument("--priority", default="normal")\n'),
        ("src/todo/cli.py", "    for name, text", '    show.add_argument("--priority")\n\n    for name, text'),
        ("src/todo/cli.py", "include_done=options.all", "options.all, options.priority"),
        ("src/todo/cli.py", "' '.join(options.text)", "' '.join(options.text), options.priority"),
        ("docs/usage.md", "## add TEXT...", "## add [--priority low|normal|high] TEXT..."),
        ("docs/usage.md", "## list [--all]", "## list [--all] [--priority low|normal|high]\n\nMarks: ! and -."),
        ("docs/usage.md", "## The file\n", "## The file\n\nItems may have a priority.\n"),
        ("CHANGELOG.md", "## Unreleased\n", "## Unreleased\n\n- Priorities.\n"),
    ],
    "config-permissions": [
        ("src/relay/kinds.py", '{"s": 1,', '{"ms": 0.001, "s": 1,'),
        (
            "src/relay/kinds.py",
            "    elif isinstance(value, str) and value[-1:] in UNITS and value[:-1].isdigit():\n"
            "        seconds = float(int(value[:-1]) * UNITS[value[-1:]])\n",
            "    elif isinstance(value, str) and (match := __import__('re').match(r'([\\d.]+)(ms|s|m|h)$', value)):\n"
            "        seconds = float(match[1]) * UNITS[match[2]]\n",
        ),
        ("src/relay/schema.py", "10000), 100),\n", '10000), 100),\n    "limits.burst": (whole(0, 10000), 0),\n'),
    ],
}


def folder(name: str) -> Path:
    path = TASKS[name].task.repository.path
    assert path is not None
    return Path(path).parent


def copy(name: str, target: Path) -> Path:
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
    return Path(shutil.copytree(folder(name) / "repo", target, ignore=ignored))


def apply(patch: bytes, target: Path) -> None:
    git = ["git", "-c", "core.autocrlf=false", "apply", "--whitespace=nowarn", "-"]
    subprocess.run(git, cwd=target, input=patch, check=True, env={"GIT_CEILING_DIRECTORIES": str(target.parent)})


def actions(name: str) -> list[dict[str, object] | None]:
    """The action of every scripted reply; None for a reply that is none on purpose."""
    found: list[dict[str, object] | None] = []
    for text in yaml.safe_load((folder(name) / "scripted.yaml").read_text(encoding="utf-8"))["replies"]:
        fence = re.findall(r"^```json\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
        try:
            action = json.loads(fence[0]) if len(fence) == 1 else None
        except json.JSONDecodeError:
            action = None
        found.append(action)
    return found


def is_valid(action: dict[str, object] | None) -> bool:
    if action is None or action.keys() != {"tool", "args"} or not isinstance(action["args"], dict):
        return False
    return action["tool"] in TOOLS and action["args"].keys() <= TOOLS[str(action["tool"])]


def play(name: str, repository: Path) -> None:
    """What the script's edits do to a copy of the repository; edits that cannot be made are passed over."""
    for action in actions(name):
        if not is_valid(action):
            continue
        assert action is not None
        args = action["args"]
        assert isinstance(args, dict)
        path = repository / str(args.get("path", ""))
        if action["tool"] == "write_file":
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(args["content"])
        elif action["tool"] == "edit_file" and not args["path"].startswith("deploy/"):
            text = path.read_text()
            if text.count(args["old"]) == 1:
                path.write_text(text.replace(args["old"], args["new"]))


def contents(repository: Path) -> dict[str, bytes]:
    files = (path for path in repository.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return {str(path.relative_to(repository)): path.read_bytes() for path in files}


def test_the_seven_classes() -> None:
    tags = [tag for task in TASKS.values() for tag in task.task.tags if tag.startswith("class:")]
    assert len(tags) == len(TASKS) == 9
    assert {tag.removeprefix("class:") for tag in tags} == CLASSES
    languages = {tag for task in TASKS.values() for tag in task.task.tags if tag.startswith("language:")}
    assert languages == {"language:python", "language:javascript"}


@pytest.mark.parametrize("name", IDS)
def test_task_is_complete(name: str) -> None:
    file = folder(name) / "task.yaml"
    assert lint_task(file) == []
    task = load_task(file)
    assert task.name == name
    assert {path.name for path in folder(name).iterdir()} == {
        "task.yaml",
        "repo",
        "reference.patch",
        "scripted.yaml",
    }
    required = {requirement.id for requirement in task.requirements}
    assert {covered for check in task.checks for covered in check.covers} == required
    assert {covered for check in task.hidden.checks for covered in check.covers} == required
    assert task.tests
    assert task.targeted
    assert task.lint
    assert task.hidden.notes
    present = contents(folder(name) / "repo")
    assert 5 <= len(present) <= 20
    hidden = {path for check in task.hidden.checks for path in check.files}
    assert not hidden & present.keys()


@pytest.mark.parametrize("name", IDS)
def test_script_and_reference_agree(name: str, tmp_path: Path) -> None:
    patch = TASKS[name].reference
    assert patch is not None
    patched, played = copy(name, tmp_path / "patched"), copy(name, tmp_path / "played")
    apply(patch, patched)
    play(name, played)
    assert contents(patched) == contents(played) != contents(folder(name) / "repo")


@pytest.mark.parametrize("name", IDS)
def test_script_is_a_competent_agent(name: str) -> None:
    replies = actions(name)
    assert ScriptedModel.from_file(folder(name) / "scripted.yaml").identity.dialect == "json"
    valid = [action for action in replies if is_valid(action)]
    used = [str(action["tool"]) for action in valid if action is not None]
    assert len(replies) <= TASKS[name].task.budget.steps
    assert used[-1] == "declare_complete"
    # The second declaration is for H3, where the first is refused until every registered check was run again.
    assert used.count("declare_complete") == 2
    until = next(place for place, action in enumerate(replies) if action and action["tool"] == "declare_complete")
    before = replies[: until + 1]
    at_h0 = "".join("." if is_valid(action) and action and action["tool"] in H0_TOOLS else "x" for action in before)
    assert "x" * MAX_FORMAT_ERRORS not in at_h0
    changes = [place for place, tool in enumerate(used) if tool in ("edit_file", "write_file")]
    assert used.index("run") < changes[0]
    assert used.index("update_task_state") > used.index("run")
    after = {str(action["args"]["command"]) for action in valid[changes[-1] :] if action and action["tool"] == "run"}  # type: ignore[index]
    assert {check.run.rstrip("\n") for check in TASKS[name].task.checks} <= after


def evaluated(name: str, patch: bytes, place: Path) -> Evaluation:
    from terret.sandbox import Workspace
    from terret.verification import evaluate

    task = TASKS[name].task
    if "language:javascript" in task.tags and shutil.which("node") is None:
        pytest.skip("needs node")
    archive = Workspace.create(place / "base", task.repository, base_folder=None).archive()
    evaluation = evaluate(task, archive, patch, place)
    assert (evaluation.applied, evaluation.infra) == (True, [])
    return evaluation


@pytest.mark.slow
@pytest.mark.sandbox
@pytest.mark.parametrize("name", IDS)
def test_reference_passes_everything(name: str, tmp_path: Path) -> None:
    patch = TASKS[name].reference
    assert patch is not None
    evaluation = evaluated(name, patch, tmp_path)
    assert (evaluation.weakened, evaluation.boundary) == ([], [])
    assert [(check.name, check.detail) for check in evaluation.checks if check.passed is not True] == []


@pytest.mark.slow
@pytest.mark.sandbox
@pytest.mark.parametrize("name", IDS)
def test_initial_state_fails_visibly_and_hidden(name: str, tmp_path: Path) -> None:
    evaluation = evaluated(name, b"", tmp_path)
    failed = {check.type for check in evaluation.checks if check.passed is False}
    assert {"check", "hidden"} <= failed <= {"check", "hidden", "targeted"}


@pytest.mark.slow
@pytest.mark.sandbox
@pytest.mark.parametrize("name", IDS)
def test_sloppy_change_is_caught_by_hidden_checks_alone(name: str, tmp_path: Path) -> None:
    evaluation = evaluated(name, sloppy_patch(name, tmp_path), tmp_path)
    caught = {check.type for check in evaluation.checks if check.passed is False and check.type != "lint"}
    assert caught == {"hidden"}


def sloppy_patch(name: str, tmp_path: Path) -> bytes:
    before, after = copy(name, tmp_path / "a"), copy(name, tmp_path / "b")
    for path, old, new in SLOPPY[name]:
        text = (after / path).read_text() if old else ""
        assert old in text, (path, old)
        (after / path).write_text(text.replace(old, new, 1) if old else new)
    git = ["git", "diff", "--no-index", "--no-prefix", "--no-renames", "--full-index", "a", "b"]
    diff = subprocess.run(git, cwd=tmp_path, capture_output=True, check=False).stdout
    shutil.rmtree(before)
    shutil.rmtree(after)
    return diff
