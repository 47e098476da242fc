"""Secrets never reach the journal, in any of their spellings."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from journal_samples import KEY

from terret.journal import Intent, Journal, Outcome, Scrubber, StateUpdated, load_text

SECRET = 'pa55"word\\with/odd+chars\nand a line'
TOKENS = {
    "aws": "AKIA" + "Q7" * 8,
    "github": "ghp_" + "a1B2" * 9,
    "github fine": "github_pat_" + "11ABCDEFG0" * 4,
    "gitlab": "glpat-" + "x1Y2" * 5,
    "openai": "sk-proj-" + "Ab3_" * 12,
    "anthropic": "sk-ant-api03-" + "Zz9-" * 20,
    "stripe": "sk_live_" + "4e" * 12,
    "slack": "xoxb-" + "1234567890-abcdef",
    "google": "AIza" + "Sy0_-" * 7,
    "google oauth": "ya29." + "a0Af" * 8,
    "hugging face": "hf_" + "aBcD" * 9,
    "npm": "npm_" + "0aZ9" * 9,
    "pypi": "pypi-AgEIcHlwaS5vcmc" + "Cd-_" * 12,
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P",
}


@pytest.mark.parametrize("kind", sorted(TOKENS))
def test_well_known_tokens_are_replaced(kind: str) -> None:
    token = TOKENS[kind]
    for text in (token, f"token={token}\n", f'{{"k":"\\n{token}"}}', f"https://x/?t={token}&y", f"\x1b[32m{token}"):
        clean = Scrubber().scrub(text)
        assert token not in clean
        assert "[secret:sha256-" in clean


@pytest.mark.parametrize("kind", sorted(TOKENS))
def test_the_quick_test_on_canonical_json_never_misses_a_token(kind: str) -> None:
    for before in ("\n", "\x1b[0m", "\x00", '"', "\\"):
        assert Scrubber().touches(json.dumps({"a": before + TOKENS[kind]}).encode())


def test_private_keys_are_replaced_whole() -> None:
    body = "\n".join(["MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7"] * 5)
    text = f"before\n-----BEGIN RSA PRIVATE KEY-----\n{body}\n-----END RSA PRIVATE KEY-----\nafter"
    clean = Scrubber().scrub(text)
    assert clean.startswith("before\n[secret:sha256-")
    assert clean.endswith("]\nafter")
    assert "MIIEvQ" not in Scrubber().scrub(text.split("-----END")[0])


def test_an_aws_secret_key_is_known_by_its_name() -> None:
    value = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
    clean = Scrubber().scrub(f"aws_secret_access_key = {value}\n{value}")
    assert clean.startswith("aws_secret_access_key = [secret:sha256-")


@pytest.mark.parametrize(
    "text",
    [
        "task-001 disk-full risk-free",
        "sk-learn",
        "import eyJson",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
        "hf_hub_download",
        "npm_config_registry",
        "x" * 64,
        "AKIAlower",
    ],
)
def test_innocent_text_is_left_alone(text: str) -> None:
    assert Scrubber({"K": "unrelated-value"}).scrub(text) == text


def test_known_values_are_replaced_in_every_spelling() -> None:
    scrubber = Scrubber({"DB_PASSWORD": SECRET})
    raw = SECRET.encode()
    spellings = [SECRET, json.dumps(SECRET), quote(SECRET, safe=""), base64.b64encode(raw).decode()]
    spellings += [base64.b64encode(b"user:" + raw + b":x").decode(), base64.urlsafe_b64encode(b"ab" + raw).decode()]
    for text in spellings:
        assert "[secret:DB_PASSWORD]" in scrubber.scrub(f"<{text}>"), text
    assert scrubber.scrub(f"<{SECRET}>") == "<[secret:DB_PASSWORD]>"


def test_short_values_are_ignored_and_odd_names_are_not_shown() -> None:
    assert Scrubber({"A": "yes"}).scrub("yes, yes") == "yes, yes"
    assert Scrubber({"odd name]": "abcdefgh"}).scrub("abcdefgh").startswith("[secret:sha256-")


def test_a_placeholder_cannot_be_used_to_smuggle_a_secret_out() -> None:
    assert "abcdefgh" not in Scrubber({"K": "abcdefgh"}).scrub("[secret:abcdefgh]")


def test_a_name_that_holds_a_value_does_not_grow_for_ever() -> None:
    scrubber = Scrubber({"SECRET_KEY": "SECRET_KEY", "OTHER": "secret"})
    once = scrubber.scrub("SECRET_KEY and secret")
    assert scrubber.scrub(once) == once
    assert "SECRET_KEY" not in once


words = st.text(st.characters(blacklist_categories=("Cs",)), min_size=6, max_size=20)


@given(st.dictionaries(st.sampled_from("ABC"), words, max_size=3), st.lists(words, max_size=4), st.data())
def test_scrubbing_removes_every_value_and_twice_is_once(
    values: dict[str, str], around: list[str], data: st.DataObject
) -> None:
    scrubber = Scrubber(values)
    pieces = around + [data.draw(st.sampled_from(sorted(values.values()))) for _ in around if values]
    text = " ".join(data.draw(st.permutations(pieces)))
    clean = scrubber.scrub(text)
    assert scrubber.scrub(clean) == clean
    for value in values.values():
        assert value not in clean or value in "[secret:ABC]"


def test_hostile_text_takes_linear_time() -> None:
    scrubber = Scrubber({"K": "k" * 30})
    began = time.process_time()
    for piece in ("-----BEGIN PRIVATE KEY-----\n", "eyJ", "eyJaaaaaaaaaa.", "sk-", "ghp_a", "k", "A", "xoxb-1-"):
        scrubber.scrub(piece * (400_000 // len(piece)))
    assert time.process_time() - began < 10


def test_events_and_blobs_are_scrubbed_before_they_are_hashed(tmp_path: Path) -> None:
    values = {"TOKEN_A": "hunter22hunter22", "TOKEN_B": 'line"one\nline two'}
    with Journal.create(tmp_path, "ep", KEY, scrubber=Scrubber(values)) as journal:
        for value in [*values.values(), TOKENS["github"]]:
            long = journal.text(f"{value} " * 300)
            text = journal.text(value)
            journal.append(StateUpdated(1, "agent", {f"k {value}": [value, {"deep": f"x {value} x"}], "long": "y"}))
            journal.append(Intent("e", "shell.run", "workspace", {"command": f"echo {value}"}, {}, 1))
            output = {"size": long.size, "blob": long.blob, "head": long.head}
            recorded = journal.append(Outcome("e", "ok", {"output": output, "again": text.inline}, 1.0))
            assert recorded.blobs == [long.blob]
            assert "[secret:" in load_text(long, journal.blobs)
        stored = b"".join([*journal.lines(), *(journal.blobs.get(name) for name in journal.blobs.digests())])
    for value in [*values.values(), TOKENS["github"]]:
        assert value.encode() not in stored
        assert json.dumps(value)[1:-1].encode() not in stored
    assert stored.count(b"[secret:TOKEN_A]") > 100


def test_a_secret_equal_to_a_field_name_leaves_the_event_readable(tmp_path: Path) -> None:
    with Journal.create(tmp_path, "ep", KEY, scrubber=Scrubber({"K": "primitive", "L": "intent/1"})) as journal:
        event = journal.append(Intent("e", "shell.run", "read", {"primitive": "intent/1"}, {}, 1))
    assert event.data == Intent("e", "shell.run", "read", {"[secret:K]": "[secret:L]"}, {}, 1)


def test_scrubbed_payloads_are_what_append_records(tmp_path: Path) -> None:
    with Journal.create(tmp_path, "ep", KEY, scrubber=Scrubber({"K": "hunter22"})) as journal:
        data = StateUpdated(1, "agent", {"a": "hunter22", "b": (1, 2), "c": "\ud800"})
        expected = journal.scrubbed(data)
        assert journal.append(data).data == expected
        assert journal.scrubbed(expected) == expected
