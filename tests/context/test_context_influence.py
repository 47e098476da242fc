"""influenced: credit for what had been seen in one artifact only; compact: pins, digests, whole turns."""

from __future__ import annotations

from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from terret.context import Span, compact, influenced
from terret.models import Message, ToolCall, estimate_tokens


def span(path: str, text: str) -> Span:
    return Span(path, 1, text.count("\n") + 1, text, 10, 1.0, "because")


def test_a_path_a_symbol_or_a_command_seen_only_there():
    offered = [
        {"artifact": "task", "text": "mend the total in src/cart.py"},
        {"artifact": "architecture", "text": "- src/money.py: `format_cents(n)`"},
        {"artifact": "testing_guide", "text": "One test: `python -m pytest -q tests/test_cart.py`"},
        {"artifact": "agent_guide", "text": "The code is in src/cart.py. Please read it."},
        span("src/other.py", "def unrelated_helper():\n    pass\n"),
    ]
    actions = [
        {"turn": 1, "tool": "read_file", "args": {"path": "src/cart.py"}},
        {"turn": 2, "tool": "search", "args": {"pattern": "format_cents"}},
        {"turn": 3, "tool": "run", "args": {"command": "python -m pytest -q  tests/test_cart.py"}},
    ]
    assert influenced(offered, actions) == {
        "task": False,
        "architecture": True,
        "testing_guide": True,
        "agent_guide": False,
        "src/other.py": False,
    }


def test_what_is_offered_later_did_not_influence_earlier_actions():
    offered = [{"artifact": "guide", "turn": 5, "text": "see `parse_rows`"}]
    action = {"args": {"edits": [{"path": "a.py", "new": "parse_rows(x)"}]}}
    assert influenced(offered, [{"turn": 4, **action}]) == {"guide": False}
    assert influenced(offered, [{"turn": 5, **action}]) == {"guide": True}


def test_what_was_seen_elsewhere_first_is_not_credited_but_later_sight_changes_nothing():
    guide = {"artifact": "guide", "turn": 2, "text": "`parse_rows`"}
    use = [{"turn": 3, "args": {"pattern": "parse_rows"}}]
    assert influenced([guide, {"artifact": "output", "turn": 1, "text": "in parse_rows"}], use)["guide"] is False
    assert influenced([guide, {"artifact": "output", "turn": 9, "text": "in parse_rows"}], use)["guide"] is True


def test_the_patch_counts_and_plain_words_do_not():
    offered = [span("src/a.py", "value = 1\n"), {"artifact": "guide", "text": "Please read everything first."}]
    assert influenced(offered, [], ["src/a.py"]) == {"src/a.py": True, "guide": False}
    assert influenced(offered, [{"args": {"text": "Please read everything"}}]) == {"src/a.py": False, "guide": False}
    assert influenced([{"artifact": "registry", "commands": ["make test"]}], [{"args": {"command": "make test"}}]) == {
        "registry": True
    }


def conversation(turns: int) -> list[Message]:
    messages = [Message("system", "rules"), Message("user", "task")]
    for n in range(turns):
        call = ToolCall(str(n), "read_file", f'{{"path": "f{n}.py"}}')
        messages += [
            Message("assistant", f"thinking {n}", tool_calls=(call,)),
            Message("tool", f"content {n}\n" + "x" * 400, tool_call_id=str(n)),
        ]
    return messages


def test_a_conversation_that_fits_is_left_alone():
    messages = conversation(3)
    done = compact(messages, limit_tokens=10_000)
    assert done.kept == messages
    assert (done.dropped, done.summary) == ([], "")


def test_old_turns_go_first_and_leave_their_digests():
    messages = conversation(12)
    done = compact(messages, limit_tokens=900, pinned={4})
    assert done.tokens <= 900
    assert done.kept[:2] == messages[:2]
    assert done.kept[-2:] == messages[-2:]
    assert messages[4] in done.kept
    assert messages[5] in done.kept
    assert messages[2] not in done.kept
    for entry in done.dropped:
        content = messages[entry["index"]].content
        assert entry["digest"] == sha256(content.encode()).hexdigest()
    assert "read_file" in done.summary
    assert sum(message.content == done.summary for message in done.kept) == 1


@given(st.integers(0, 14), st.integers(1, 3000), st.sets(st.integers(0, 30)))
def test_every_message_is_kept_or_accounted_for(turns, limit, pinned):
    messages = conversation(turns)
    done = compact(messages, limit_tokens=limit, pinned=pinned)
    gone = {entry["index"] for entry in done.dropped}
    kept = [message for message in done.kept if not done.summary or message.content != done.summary]
    assert kept == [message for index, message in enumerate(messages) if index not in gone]
    assert not gone & pinned
    calls = {call.id for message in done.kept for call in message.tool_calls}
    assert {message.tool_call_id for message in done.kept if message.role == "tool"} == calls
    assert estimate_tokens("".join(message.content for message in done.kept)) <= max(limit, done.tokens)
