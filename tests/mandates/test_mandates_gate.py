"""A mandate authorises one call, once, in time; and what each of the two defences is worth."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mandates_world import KEY, NOW, context, gate, spend

from terret.errors import ConfigError, InputError
from terret.journal import SigningKey
from terret.mandates import ABLATIONS, Context, Issuer, Mandate, MandateGate, Registry, Wallet


@pytest.fixture
def registry(tmp_path: Path, clock: object) -> Iterator[Registry]:
    with Registry(tmp_path / "m" / "registry.db", clock=clock, durability="normal") as made:  # type: ignore[arg-type]
        yield made


def test_a_mandate_is_spent_once_and_a_retry_gets_the_stored_outcome(registry: Registry, clock: object) -> None:
    mandate = Issuer(KEY, clock).issue(context(), 60)  # type: ignore[arg-type]
    made = MandateGate(registry, [KEY.public_hex], Wallet([mandate]), clock=clock)  # type: ignore[arg-type]
    assert made.consume("e1", context()).state == "fresh"
    assert made.consume("e1", context()).state == "pending", "its outcome is not known yet, so it is not run again"
    made.store("e1", {"status": "ok", "result": {"id": 7}})
    made.store("e1", {"status": "error"})
    again = made.consume("e1", context())
    assert (again.state, again.outcome) == ("stored", {"status": "ok", "result": {"id": 7}})
    assert again.mandate == mandate.id
    assert made.consume("e2", context()).rule == "mandate:missing"
    assert spend(made, "e2", mandate) == "replayed"
    assert spend(made, "e1", mandate, context(1)) == "redirected"


def test_a_mandate_for_any_process_is_spent_once_by_whichever_comes_first(registry: Registry, clock: object) -> None:
    issuer = Issuer(KEY, clock)  # type: ignore[arg-type]
    mandate = issuer.issue(context().anywhere, 60)
    wallet = Wallet([mandate])
    made = MandateGate(registry, [KEY.public_hex], wallet, clock=clock)  # type: ignore[arg-type]
    first, other = context(process="one:0"), context(process="two:0")
    assert made.consume("one:0/e1", first).state == "fresh"
    made.store("one:0/e1", {"status": "ok"})
    again = made.consume("one:0/e1", first)
    assert (again.state, again.mandate) == ("stored", mandate.id)
    wallet.add(mandate)
    assert made.consume("two:0/e1", other).rule == "mandate:replayed"
    wallet.add(mandate)
    assert made.consume("two:0/e2", context(1)).rule == "mandate:missing", "it is for this call only"
    assert made.consume("one:0/e1", context(1, process="one:0")).rule == "mandate:reused"


def test_a_mandate_for_this_process_goes_before_one_for_any(registry: Registry, clock: object) -> None:
    issuer = Issuer(KEY, clock)  # type: ignore[arg-type]
    own, common = issuer.issue(context(), 60), issuer.issue(context().anywhere, 30)
    made = MandateGate(registry, [KEY.public_hex], Wallet([common, own]), clock=clock)  # type: ignore[arg-type]
    assert [made.consume(f"e{n}", context()).mandate for n in (1, 2)] == [own.id, common.id]


def test_an_identity_stands_for_one_call(registry: Registry, clock: object) -> None:
    issuer = Issuer(KEY, clock)  # type: ignore[arg-type]
    made = gate(registry, clock)
    assert spend(made, "e1", issuer.issue(context(1), 60), context(1)) == "fresh"
    assert spend(made, "e1", issuer.issue(context(2), 60), context(2)) == "reused"
    second = issuer.issue(context(1), 60)
    assert spend(made, "e1", second, context(1)) == "pending", "a retry spends no second mandate"
    assert spend(made, "e2", second, context(1)) == "fresh"


@pytest.mark.parametrize("field", ["task", "process", "resource", "right", "arguments"])
def test_a_mandate_for_another_call_is_refused(registry: Registry, clock: object, field: str) -> None:
    mandate = Issuer(KEY, clock).issue(context(), 60)  # type: ignore[arg-type]
    made = gate(registry, clock)
    assert spend(made, "e1", mandate, context(**{field: "other"})) == "redirected"
    assert len(registry) == 0
    assert spend(made, "e1", mandate) == "fresh", "an attempt elsewhere does not use it up"


def test_time_bounds_a_mandate(registry: Registry, clock: object) -> None:
    issuer = Issuer(KEY, clock)  # type: ignore[arg-type]
    early, late = issuer.issue(context(1), 60), issuer.issue(context(2), 60)
    made = gate(registry, clock, longest_s=100)
    clock.advance(-2)  # type: ignore[attr-defined]
    assert spend(made, "e0", early, context(1)) == "early"
    clock.advance(61.999)  # type: ignore[attr-defined]
    assert spend(made, "e1", early, context(1)) == "fresh"
    clock.advance(0.001)  # type: ignore[attr-defined]
    assert spend(made, "e2", late, context(2)) == "expired"
    assert spend(made, "e1", early, context(1)) == "pending", "a retry is told what happened, also later"
    assert spend(made, "e3", issuer.issue(context(3), 101), context(3)) == "lifetime"
    with pytest.raises(InputError):
        issuer.issue(context(), 0)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 64])
def test_every_mandate_of_a_batch_is_good_and_none_can_be_changed(
    registry: Registry, clock: object, count: int
) -> None:
    batch = Issuer(KEY, clock).issue_many([context(n) for n in range(count)], 60)  # type: ignore[arg-type]
    assert len({mandate.signature for mandate in batch}) == 1
    made = gate(registry, clock)
    for number, mandate in enumerate(batch):
        changes = {
            "id": batch[number - 1].id if count > 1 else "0" * 32,
            "expires_ms": mandate.expires_ms + 1,
            "issued_ms": mandate.issued_ms - 1,
            "binding": context(count).binding,
            "path": mandate.path + "00" + "0" * 64,
        }
        for name, value in changes.items():
            forged = msgspec.structs.replace(mandate, **{name: value})
            assert spend(made, f"f{number}", forged, context(number)) == "signature", name
        assert spend(made, f"e{number}", mandate, context(number)) == "fresh"
    assert len(registry) == count


def test_only_a_trusted_key_counts(registry: Registry, clock: object) -> None:
    other = SigningKey(bytes(32))
    made = gate(registry, clock)
    foreign = Issuer(other, clock).issue(context(), 60)  # type: ignore[arg-type]
    assert spend(made, "e1", foreign) == "untrusted"
    assert spend(made, "e1", msgspec.structs.replace(foreign, public_key=KEY.public_hex)) == "signature"


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "A" * 32},
        {"id": "0" * 30},
        {"id": ""},
        {"binding": "zz"},
        {"binding": "0" * 63},
        {"path": "02" + "0" * 64},
        {"path": "0"},
        {"path": ("00" + "0" * 64) * 33},
        {"expires_ms": 2**63},
        {"issued_ms": -(2**63) - 1},
    ],
)
def test_a_malformed_mandate_is_refused_not_crashed_on(
    registry: Registry, clock: object, changes: dict[str, object]
) -> None:
    mandate = Issuer(KEY, clock).issue(context(), 60)  # type: ignore[arg-type]
    broken = msgspec.structs.replace(mandate, **changes)
    assert spend(gate(registry, clock), "e1", broken) == "malformed"


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b"\xff", b'{"kind":"mandate/2"}', b'{"kind":"mandate/1","id":1}'])
def test_bytes_that_are_no_mandate_are_an_input_error(raw: bytes) -> None:
    with pytest.raises(InputError):
        Mandate.decode(raw)


@given(st.binary(max_size=64), st.integers(0, 10_000))
def test_a_mandate_with_any_byte_changed_is_never_accepted(noise: bytes, at: int) -> None:
    mandate = Issuer(KEY, lambda: NOW).issue_many([context(), context(1)], 60)[0]
    raw = bytearray(mandate.encode())
    place = at % len(raw)
    raw[place : place + len(noise)] = noise
    try:
        changed = Mandate.decode(bytes(raw))
    except InputError:
        return
    if changed == mandate:
        return
    made = gate(_Never(), lambda: NOW)  # type: ignore[arg-type]
    assert spend(made, "e1", changed) in {"untrusted", "malformed", "signature"}


class _Never:
    """A registry that must not be reached."""

    def spend_many(self, *_: object) -> list[object]:
        raise AssertionError("a changed mandate reached the registry")


def test_a_wallet_gives_each_mandate_out_once_the_shortest_lived_first() -> None:
    issuer = Issuer(KEY, lambda: NOW)
    long, short = issuer.issue(context(), 60), issuer.issue(context(), 30)
    wallet = Wallet([long, short])
    assert [wallet(context()), wallet(context()), wallet(context())] == [short, long, None]
    assert wallet(context(1)) is None


def test_which_effects_need_a_mandate(registry: Registry, clock: object) -> None:
    made = gate(registry, clock, primitives=["shell.*", "fs.delete"])
    needed = {"net.post": "external", "shell.run": "workspace", "fs.delete": "workspace"}
    free = {"fs.read": "read", "fs.write": "workspace", "human.ask": "external", "model.complete": "read"}
    assert all(made.requires(primitive, kind) for primitive, kind in needed.items())
    assert not any(made.requires(primitive, kind) for primitive, kind in free.items())
    assert made.declare() == {"trusted": [KEY.public_hex], "primitives": ["shell.*", "fs.delete"], "ablated": []}
    with pytest.raises(ConfigError):
        gate(registry, clock, ablate=["everything"])


ATTACKS = ("replay", "double", "redirect", "expiry", "restart")


def attack(name: str, folder: Path, clock: object, ablate: list[str]) -> bool:
    """Whether the attack gets a second effect, or one it has no mandate for."""
    path = folder / f"{name}{len(ablate)}{''.join(ablate)}.db"
    mandate = Issuer(KEY, clock).issue(context(), 60)  # type: ignore[arg-type]
    with Registry(path, clock=clock) as one, Registry(path, clock=clock) as two:  # type: ignore[arg-type]
        gates = [gate(one, clock, ablate=ablate), gate(two, clock, ablate=ablate)]
        if name == "redirect":
            return spend(gates[0], "x", mandate, context(9)) == "fresh"
        if name == "expiry":
            clock.advance(60)  # type: ignore[attr-defined]
            return spend(gates[0], "x", mandate) == "fresh"
        if name == "double":
            barrier = threading.Barrier(8)
            states: list[str] = []

            def one_of_many(place: int) -> None:
                barrier.wait()
                states.append(spend(gates[place % 2], f"e{place}", mandate))

            threads = [threading.Thread(target=one_of_many, args=(place,)) for place in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert len(states) == 8
            return states.count("fresh") > 1
        assert spend(gates[0], "first", mandate) == "fresh"
        if name == "replay":
            return spend(gates[1], "second", mandate) == "fresh"
    with Registry(path, clock=clock) as reopened:  # type: ignore[arg-type]
        return spend(gate(reopened, clock, ablate=ablate), "second", mandate) == "fresh"


@pytest.mark.parametrize("ablate", [[], ["once"], ["binding"], list(ABLATIONS)], ids=lambda names: "+".join(names))
@pytest.mark.parametrize("name", ATTACKS)
def test_ablation(tmp_path: Path, clock: object, name: str, ablate: list[str]) -> None:
    needed = {"replay": "once", "double": "once", "restart": "once", "redirect": "binding"}.get(name)
    assert attack(name, tmp_path, clock, ablate) is (needed in ablate)


def test_a_context_comes_from_the_live_arguments() -> None:
    made = Context.of_call("t", "e:0", "net.post", {"url": "https://example.org/", "body": "x"})
    assert (made.resource, made.right) == ("net:https://example.org/", "net.post")
    assert made.binding != Context.of_call("t", "e:0", "net.post", {"url": "https://example.org/", "body": "y"}).binding
    with pytest.raises(InputError):
        Context.of_call("t", "e:0", "net.post", {"body": b"bytes"})
