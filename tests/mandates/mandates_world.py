"""What the tests of mandates share: calls, a gate on a file, and a child that spends until it is killed.

Run as ``FOLDER PROCESS COUNT``: spends the mandates of ``FOLDER/mandates.jsonl`` in order, prints a line for each that
was fresh, after its effect; with a COUNT the process kills itself inside its COUNT-th transaction.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from terret.journal import SigningKey
from terret.mandates import Call, Context, Issuer, Mandate, MandateGate, Registry, Wallet

KEY = SigningKey(bytes(range(32)))
NOW = 1_700_000_000.0


def context(number: int = 0, **changes: str) -> Context:
    made = Context.of_call("task", "episode:0", "net.post", {"url": "https://example.org/", "item": number})
    return Context(**{**{name: getattr(made, name) for name in made.__struct_fields__}, **changes})


def spend(gate: MandateGate, identity: str, mandate: Mandate, at: Context | None = None) -> str:
    """The state of the grant, or the slug of the refusal."""
    grant = gate.consume_many([Call(identity, at or context(), mandate)])[0]
    return grant.rule.removeprefix("mandate:") if grant.state == "refused" else grant.state


def gate(registry: Registry, clock: object, **options: object) -> MandateGate:
    return MandateGate(registry, [KEY.public_hex], Wallet(), clock=clock, **options)  # type: ignore[arg-type]


def issue(folder: Path, count: int) -> None:
    issuer = Issuer(KEY, lambda: NOW)
    lines = [mandate.encode() for mandate in issuer.issue_many([context(n) for n in range(count)], 3600)]
    (folder / "mandates.jsonl").write_bytes(b"\n".join(lines))


def main(folder: Path, process: str, fatal: int) -> None:
    transactions = 0

    def clock() -> float:
        nonlocal transactions
        # The gate reads the clock once before the transaction, the registry once inside it.
        transactions += 1
        if transactions == 2 * fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        return NOW

    mandates = [Mandate.decode(line) for line in (folder / "mandates.jsonl").read_bytes().splitlines()]
    with Registry(folder / "registry.db", clock=clock) as registry:
        made = gate(registry, clock)
        while not (folder / "go").exists():
            time.sleep(0.002)
        for number, mandate in enumerate(mandates):
            if spend(made, f"{process}/e{number}", mandate, context(number)) == "fresh":
                os.write(1, b"%d\n" % number)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
