from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terret.errors import PackageError, SignatureInvalid
from terret.journal import CheckRan, EpisodeOpened, Event, Labelled, PatchTaken, SigningKey
from terret.verification import dsse, pae, statement, verify_dsse


class Head:
    episode = "e1"

    def to_json(self) -> bytes:
        return b'{"episode":"e1"}\n'


@dataclass
class Package:
    events: list[Event]
    head: Any = Head()  # noqa: RUF009
    blobs: Any = None


def opened() -> EpisodeOpened:
    return EpisodeOpened(
        task_name="login",
        task="a" * 64,
        model={"name": "m"},
        sampling={},
        dialect="edit",
        image="guided",
        level="H1",
        repository={"source": "x", "commit": "c" * 40, "tree": "d" * 40, "archive": "e" * 64},
        visible_artifacts=[],
        allowed_tools=[],
        intervention_policy="",
        verification_procedure=[],
        outcome_rule="rule/1",
        interpreter_persistence="",
        enforcement={"tier": "full"},
        versions={"terret": "0"},
        budget={},
        seed=0,
        public_key="",
    )


def ran(name: str, kind: str, passed: bool | None, phase: str = "evaluator") -> CheckRan:
    return CheckRan(phase, name, kind, "run", passed, 0, [], "", 1.0)


def package(label: str | None = "failed", *more: Any) -> Any:
    data = [
        opened(),
        ran("mine", "check", True, "episode"),
        PatchTaken("b" * 64, "f" * 40, []),
        ran("visible", "check", True),
        ran("secret", "hidden", False),
        ran("slow", "targeted", None),
        ran("regression", "regression", None),
        Labelled(label, None, ["why"], False, True, label is not None),
        *more,
    ]
    return Package([Event(seq, 0.0, "e1", 0, item, [], "", "") for seq, item in enumerate(data)])


def test_the_statement_names_patch_head_tree_and_results() -> None:
    made = statement(package())
    assert made["_type"] == "https://in-toto.io/Statement/v1"
    assert made["predicateType"] == "https://in-toto.io/attestation/test-result/v0.1"
    assert made["subject"] == [
        {"name": "patch.diff", "digest": {"sha256": "b" * 64}},
        {"name": "head.json", "digest": {"sha256": sha256(Head().to_json()).hexdigest()}},
    ]
    predicate = made["predicate"]
    assert predicate["result"] == "FAILED"
    assert predicate["passedTests"] == ["check: visible"]
    assert predicate["failedTests"] == ["hidden: secret", "targeted: slow"]
    assert predicate["warnedTests"] == ["regression: regression"]
    configuration = {item["name"]: item for item in predicate["configuration"]}
    assert configuration["repository"]["digest"] == {"gitTree": "d" * 40, "gitCommit": "c" * 40}
    assert configuration["task"]["digest"] == {"sha256": "a" * 64}
    assert configuration["outcome"]["annotations"]["label"] == "failed"
    assert configuration["outcome"]["annotations"]["withoutResult"] == ["targeted: slow", "regression: regression"]
    json.dumps(made)


@pytest.mark.parametrize(
    ("label", "result"),
    [
        ("autonomous_verified_success", "PASSED"),
        ("assisted_verified_success", "PASSED"),
        ("unverified_success", "WARNED"),
        ("unsafe_invalid", "FAILED"),
    ],
)
def test_the_result_follows_the_label(label: str, result: str) -> None:
    assert statement(package(label))["predicate"]["result"] == result


def test_no_statement_about_an_unfinished_or_ungraded_episode() -> None:
    with pytest.raises(PackageError, match="ungraded"):
        statement(package(None))
    with pytest.raises(PackageError, match="not finished"):
        statement(Package(package().events[:3]))


def test_the_signed_bytes_are_those_of_the_specification() -> None:
    assert (
        pae("http://example.com/HelloWorld", b"hello world")
        == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )
    assert pae("ü", b"") == "DSSEv1 2 ü 0 ".encode()


def test_an_envelope_verifies_with_its_key_only(key: SigningKey) -> None:
    made = statement(package())
    envelope = json.loads(json.dumps(dsse(made, key)))
    assert envelope["payloadType"] == "application/vnd.in-toto+json"
    assert verify_dsse(envelope, key.public_hex) == made
    with pytest.raises(SignatureInvalid):
        verify_dsse(envelope, SigningKey.generate().public_hex)
    with pytest.raises(SignatureInvalid):
        verify_dsse(envelope, "not a key")


def test_a_changed_payload_does_not_verify(key: SigningKey) -> None:
    envelope = dsse({"label": "failed"}, key)
    envelope["payload"] = base64.b64encode(b'{"label":"passed"}').decode()
    with pytest.raises(SignatureInvalid):
        verify_dsse(envelope, key.public_hex)


def test_the_payload_type_is_signed_too(key: SigningKey) -> None:
    envelope = dsse({}, key)
    payload = base64.b64decode(envelope["payload"])
    signature = bytes.fromhex(key.sign(pae("application/json", payload)))
    envelope["signatures"] = [{"sig": base64.b64encode(signature).decode()}]
    with pytest.raises(SignatureInvalid):
        verify_dsse(envelope, key.public_hex)
    with pytest.raises(PackageError, match="in-toto"):
        verify_dsse({**envelope, "payloadType": "application/json"}, key.public_hex)


def test_one_good_signature_among_several_is_enough(key: SigningKey) -> None:
    envelope, other = dsse({"a": 1}, key), dsse({"a": 1}, SigningKey.generate())
    envelope["signatures"] = [*other["signatures"], *envelope["signatures"]]
    assert verify_dsse(envelope, key.public_hex) == {"a": 1}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(json_values)
def test_any_json_is_an_envelope_or_a_clear_error(value: Any) -> None:
    for envelope in (
        value,
        {"payloadType": value, "payload": "e30=", "signatures": []},
        {"payloadType": "x", "payload": value, "signatures": value},
    ):
        with pytest.raises(PackageError) as caught:
            verify_dsse(envelope, "00" * 32)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("payload", [b"not json", b"[1]"])
def test_a_signed_payload_that_is_no_statement(payload: bytes, key: SigningKey) -> None:
    kind = "application/vnd.in-toto+json"
    signature = base64.b64encode(bytes.fromhex(key.sign(pae(kind, payload)))).decode()
    envelope = {"payloadType": kind, "payload": base64.b64encode(payload).decode(), "signatures": [{"sig": signature}]}
    with pytest.raises(PackageError, match="payload"):
        verify_dsse(envelope, key.public_hex)
