"""What authority costs: a decision from a capability table and from policy files, cached and not; and that it is right.

Every suite is a function that returns its figures; further ones are added to :data:`SUITES`, from files of their own.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence

from benchmarks._authority_sandbox import sandboxes
from benchmarks._capability_model import Disagreement, operations
from benchmarks._report import Figure, finish, median, parser
from terret.permissions import CapabilityTable, Layer, LayeredPolicy, parse_policy
from terret.task import Permissions

CACHED_US = 1.0
UNCACHED_US = 10.0
OPERATIONS = 100_000

POLICY = """\
version: 1
rules:
  - {id: no-push, effect: deny, reason: it publishes, commands: [git push, "git remote *", "npm publish"]}
  - {id: no-removal, effect: ask, reason: it removes, commands: [rm -rf, "git clean", "git reset"]}
  - {id: guides, effect: ask, reason: people write them, paths: ["docs/**", "*.md"]}
  - {id: keys, effect: deny, reason: keys, primitives: [fs.read, fs.write], paths: ["**/*.pem", ".env"]}
  - {id: offline, effect: deny, reason: nothing leaves, primitives: ["net.*"]}
  - {id: tests, effect: allow, reason: tests are free, commands: [pytest, python -m pytest, ruff]}
"""


def each(call: Callable[[int], object], repeats: int = 300, batch: int = 50) -> float:
    """The median microseconds of one call; ``call`` gets a number that never comes again."""
    numbers = itertools.count()
    for _ in range(batch):
        call(next(numbers))
    found: list[float] = []
    for _ in range(repeats):
        begin = time.perf_counter()
        for _ in range(batch):
            call(next(numbers))
        found.append((time.perf_counter() - begin) / batch * 1e6)
    return median(found)


def table_of(size: int) -> CapabilityTable:
    """A process that holds ``size`` capabilities of several kinds, a delegated one and denials among them."""
    root = CapabilityTable("root")
    origin = root.grant("fs:workspace/**", ["read", "write"], depth=2, expires_at=time.time() + 3600)
    table = root.child("agent")
    root.delegate(origin.id, table, resource="fs:workspace/src/**")
    root.grant("fs:workspace/secret/**", ["read", "write"], "deny")
    for number in range(size):
        kind = ("shell", "net", "model", "secret")[number % 4]
        table.grant(f"{kind}:thing{number}/*", ["execute"], constraints={"max_bytes": 10} if number % 3 else None)
    return table


def capabilities(full: bool) -> list[Figure]:
    """Decisions of a table with 200 capabilities."""
    table = table_of(200)
    args = {"size": 3}
    fixed = ["fs:workspace/src/a.py", "fs:workspace/secret/key", "fs:other/b.py"]
    cached = [each(lambda number, path=path: table.decide(path, "read")) for path in fixed]
    uncached = [
        each(lambda number: table.decide(f"fs:workspace/src/room/file{number}.py", "read")),
        each(lambda number: table.decide(f"fs:workspace/secret/{number}", "write")),
        each(lambda number: table.decide(f"fs:elsewhere/{number}", "read")),
        each(lambda number: table.decide(f"shell:thing1/{number}", "execute", args)),
    ]
    assert table.decide(fixed[0], "read").effect == "allow"
    assert table.decide(fixed[1], "read").effect == "deny"
    return [
        Figure("capability_cached", max(cached), "us", CACHED_US, note="slowest of 3 questions"),
        Figure("capability_uncached", max(uncached), "us", UNCACHED_US, note="slowest of 4 questions"),
    ]


def policy_files(full: bool) -> list[Figure]:
    """Decisions of three layers over a task; a command is taken apart, a path is matched."""
    layers = [Layer(scope, parse_policy(POLICY, f"{scope}.yaml")) for scope in ("user", "project", "episode")]
    policy = LayeredPolicy(Permissions(deny_run=("git push",)), "H1", layers)
    known = [("shell.run", {"command": "pytest -q tests"}), ("fs.write", {"path": "src/a.py"})]
    cached = [each(lambda number, one=one: policy.decide(*one)) for one in known]
    single = LayeredPolicy(Permissions(deny_run=("git push",)), "H1", layers[:1])
    return [
        Figure("policy_cached", max(cached), "us", CACHED_US, note="slowest of a command and a path"),
        Figure("policy_path_uncached", each(lambda n: single.decide("fs.read", {"path": f"src/f{n}.py"})), "us"),
        Figure("policy_command_uncached", each(lambda n: single.decide("shell.run", {"command": f"ls f{n}"})), "us"),
        Figure("policy_three_layers", each(lambda n: policy.decide("fs.write", {"path": f"src/f{n}.py"})), "us"),
    ]


def model(full: bool) -> list[Figure]:
    """Random operations on capability tables, compared with a slow model of them."""
    count = OPERATIONS if full else OPERATIONS // 20
    try:
        allowed = operations(count, seed=20)
    except Disagreement as error:
        return [Figure("capability_disagreements", 1, "", 0, note=str(error))]
    return [
        Figure("capability_disagreements", 0, "", 0, note=f"in {count:,} random operations, {allowed:,} allowed"),
        Figure("capability_operations", count, "", OPERATIONS if full else None, least=True),
    ]


SUITES: list[Callable[[bool], list[Figure]]] = [capabilities, policy_files, sandboxes, model]
"""Each returns its figures; the argument says whether to measure at full length."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 1 when a bound is missed."""
    options = parser("cost and correctness of authority")
    options.add_argument("--quick", action="store_true", help="a twentieth of the random operations")
    chosen = options.parse_args(arguments)
    figures = [figure for suite in SUITES for figure in suite(not chosen.quick)]
    return finish("authority", figures, as_json=chosen.json)


if __name__ == "__main__":
    raise SystemExit(main())
