"""Requests reach a person and answers come back; silence always denies."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path

import pytest

from terret.errors import InfrastructureError
from terret.intervention import FileQueue, HumanRequest, NoHuman, TerminalQueue, file_name

QUESTION = HumanRequest("e1/h0", "question", "Which Python version?", "e1", 2)
APPROVAL = HumanRequest("h1", "approval", "May I run this?", subject={"command": "pip install x"})


def ask(queue, request):
    return asyncio.run(queue.ask(request))


class Waiting:
    """A clock that moves by what is waited; ``then`` runs at the given wait."""

    def __init__(self, then=None):
        self.now = 0.0
        self.waits = 0
        self.then = then or {}

    def clock(self):
        return self.now

    async def wait(self, seconds):
        self.now += seconds
        self.waits += 1
        self.then.get(self.waits, lambda: None)()


def file_queue(folder, then=None, **options):
    waiting = Waiting(then)
    return FileQueue(folder, wait=waiting.wait, clock=waiting.clock, **options), waiting


def answer_to(folder: Path, request, content):
    path = folder / f"{file_name(request)}.answer.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))


# nobody


@pytest.mark.parametrize("request_", [QUESTION, APPROVAL])
def test_without_a_person_every_request_is_denied_at_once(request_):
    answer = ask(NoHuman(), request_)
    assert (answer.request, answer.answered, answer.approved) == (request_.id, False, False)
    assert answer.reason == "no human takes part"


# files


def test_a_request_is_a_whole_file_and_its_answer_is_read(tmp_path):
    seen = []

    def person():
        (path,) = tmp_path.glob("*.request.json")
        seen.append(json.loads(path.read_text()))
        (tmp_path / seen[0]["answer_file"]).write_text('{"text": "3.12", "by": "ada"}')

    queue, waiting = file_queue(tmp_path, {2: person})
    answer = ask(queue, QUESTION)
    assert (answer.text, answer.by, answer.answered, answer.approved) == ("3.12", "ada", True, False)
    assert answer.seconds == waiting.now == 2.0
    assert (seen[0]["text"], seen[0]["form"], seen[0]["episode"]) == ("Which Python version?", "question", "e1")
    assert [path.name for path in tmp_path.iterdir()] == [seen[0]["answer_file"]]


def test_an_approval_needs_an_explicit_yes(tmp_path):
    for content, approved in [
        ({"approved": True}, True),
        ({"approved": False}, False),
        ({"text": "yes"}, False),
    ]:
        answer_to(tmp_path, APPROVAL, content)
        answer = ask(file_queue(tmp_path)[0], APPROVAL)
        assert (answer.answered, answer.approved) == (True, approved)


def test_a_question_cannot_be_approved(tmp_path):
    answer_to(tmp_path, QUESTION, {"approved": True, "text": "3.12"})
    assert not ask(file_queue(tmp_path)[0], QUESTION).approved


def test_a_time_out_denies_and_takes_the_request_away(tmp_path):
    queue, waiting = file_queue(tmp_path, timeout_s=10.0, poll_s=3.0)
    answer = ask(queue, APPROVAL)
    assert (answer.answered, answer.approved, answer.reason) == (False, False, "no answer within 10 s")
    assert waiting.now == pytest.approx(10.0)
    assert list(tmp_path.iterdir()) == []


def test_the_request_s_own_time_limit_counts(tmp_path):
    queue, waiting = file_queue(tmp_path, timeout_s=None)
    request = HumanRequest("h", "hint", "stuck", timeout_s=0.5)
    assert ask(queue, request).reason == "no answer within 0.5 s"
    assert waiting.now == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "is not JSON"),
        ('{"approved": tr', "is not JSON"),
        ("[true]", "not a JSON object"),
        ('{"approved": "yes"}', "wrong type"),
        ('{"approved": 1}', "wrong type"),
        ('{"text": 3}', "wrong type"),
        ("{}", "neither text nor approved"),
        ('{"by": "x"}', "neither text nor approved"),
        ("[" * 100_000, "larger than"),
        ("[" * 50_000, "is not JSON"),
    ],
)
def test_a_malformed_answer_is_no_answer_and_the_reason_says_so(tmp_path, content, says):
    answer_to(tmp_path, APPROVAL, content)
    answer = ask(file_queue(tmp_path, timeout_s=2.0)[0], APPROVAL)
    assert (answer.answered, answer.approved) == (False, False)
    assert says in answer.reason


def test_an_answer_written_in_two_steps_is_waited_for(tmp_path):
    answer_to(tmp_path, APPROVAL, '{"appro')
    queue, _ = file_queue(tmp_path, {3: lambda: answer_to(tmp_path, APPROVAL, {"approved": True})})
    assert ask(queue, APPROVAL).approved


@pytest.mark.parametrize("kind", ["link", "folder", "missing link"])
def test_an_answer_that_is_no_plain_file_is_no_answer(tmp_path, kind):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text('{"approved": true}')
    path = tmp_path / f"{file_name(APPROVAL)}.answer.json"
    if kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(elsewhere if kind == "link" else tmp_path / "nowhere")
    assert not ask(file_queue(tmp_path, timeout_s=1.0)[0], APPROVAL).answered


def test_an_answer_belongs_to_exactly_these_arguments(tmp_path):
    answer_to(tmp_path, APPROVAL, {"approved": True})
    other = HumanRequest("h1", "approval", "May I run this?", subject={"command": "rm -rf ~"})
    assert not ask(file_queue(tmp_path, timeout_s=1.0)[0], other).approved


@pytest.mark.parametrize("identity", ["../../etc/x", "", "a" * 500, "ü/\x00", ".."])
def test_an_id_never_leads_out_of_the_folder(tmp_path, identity):
    request = HumanRequest(identity, "hint", "?", timeout_s=0.0)
    name = file_name(request)
    assert "/" not in name
    assert len(name) < 100
    assert not ask(file_queue(tmp_path / "queue")[0], request).answered
    assert [path.name for path in tmp_path.iterdir()] == ["queue"]


def test_a_cancelled_request_is_taken_away(tmp_path):
    async def scenario():
        waiting = asyncio.Event()

        async def wait(seconds):
            waiting.set()
            await asyncio.Event().wait()

        asking = asyncio.create_task(FileQueue(tmp_path, wait=wait).ask(APPROVAL))
        await waiting.wait()
        assert len(list(tmp_path.glob("*.request.json"))) == 1
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

    asyncio.run(scenario())
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_an_error_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InfrastructureError, match="cannot be written"):
        ask(file_queue(tmp_path / "file")[0], APPROVAL)


# the terminal


def terminal(*lines, **options):
    shown, left = [], list(lines)

    def read():
        if not left:
            raise EOFError
        return left.pop(0)

    return TerminalQueue(read, shown.append, clock=lambda: 0.0, **options), shown


@pytest.mark.parametrize(
    ("line", "approved"),
    [("y", True), ("Yes.\n", True), ("ok", True), ("n", False), ("yes but not now", False), ("no", False)],
)
def test_an_approval_on_the_terminal(line, approved):
    queue, shown = terminal(line)
    answer = ask(queue, APPROVAL)
    assert (answer.answered, answer.approved, answer.text) == (True, approved, line.strip())
    assert "pip install x" in shown[0]
    assert shown[0].endswith("approve? [y/N] ")


def test_a_question_on_the_terminal():
    queue, shown = terminal("3.12\n")
    assert (ask(queue, QUESTION).text, shown[0]) == ("3.12", "\n[question] Which Python version?\n> ")


def test_a_yes_to_a_question_approves_nothing():
    assert not ask(terminal("yes")[0], QUESTION).approved


@pytest.mark.parametrize("lines", [(), ("",), ("  \n",)])
def test_no_words_are_no_answer(lines):
    answer = ask(terminal(*lines)[0], APPROVAL)
    assert (answer.answered, answer.approved) == (False, False)
    assert answer.reason


def test_a_request_cannot_drive_the_terminal():
    queue, shown = terminal("y")
    ask(queue, HumanRequest("h", "approval", "\x1b[2Jharmless\r\u202e", subject={"command": "\x1b]0;x\x07"}))
    assert all(character.isprintable() or character == "\n" for character in shown[0])


def test_a_person_who_does_not_answer_denies():
    never = threading.Event()
    queue = TerminalQueue(lambda: "y" if never.wait(30) else "", lambda text: None, timeout_s=0.01)
    answer = ask(queue, APPROVAL)
    never.set()
    assert (answer.answered, answer.reason) == (False, "no answer within 0.01 s")


def test_two_questions_are_asked_one_after_the_other():
    queue, shown = terminal("first", "second")

    async def both():
        return await asyncio.gather(queue.ask(QUESTION), queue.ask(HumanRequest("h2", "hint", "And?")))

    answers = asyncio.run(both())
    assert [answer.text for answer in answers] == ["first", "second"]
    assert len(shown) == 2


# scopes and what is given unasked

SCOPED = HumanRequest("h2", "approval", "May I?", subject={"command": "x"}, scopes=("once", "episode"))


@pytest.mark.parametrize(
    ("content", "approved", "scope"),
    [
        ({"approved": True}, True, "once"),
        ({"approved": True, "scope": "episode"}, True, "episode"),
        ({"approved": False, "scope": "episode"}, False, "once"),
        ({"approved": True, "scope": "world"}, False, "once"),
    ],
)
def test_an_answer_file_names_a_scope_that_is_offered(tmp_path, content, approved, scope):
    queue, _ = file_queue(tmp_path, timeout_s=2)
    answer_to(tmp_path, SCOPED, content)
    answer = ask(queue, SCOPED)
    assert (answer.approved, answer.scope) == (approved, scope)


@pytest.mark.parametrize(
    ("line", "approved", "scope"), [("y", True, "once"), ("e", True, "episode"), ("n", False, "once")]
)
def test_a_typed_answer_names_its_scope(line, approved, scope):
    written = []
    answer = ask(TerminalQueue(lambda: line, written.append), SCOPED)
    assert (answer.approved, answer.scope) == (approved, scope)
    assert "e = for the rest of the episode" in written[0]
    assert not ask(TerminalQueue(lambda: "e", written.append), APPROVAL).approved, "a scope that is not offered"


def test_what_the_terminal_cannot_show_is_announced():
    written = []
    long = HumanRequest("h3", "approval", "x" * 5000)
    ask(TerminalQueue(lambda: "n", written.append), long)
    assert "[1000 more characters are not shown]" in written[0]


def test_hints_patches_and_stops_are_found_and_put_away(tmp_path):
    queue, _ = file_queue(tmp_path)
    assert asyncio.run(queue.poll()) == []
    (tmp_path / "1.hint").write_text("look there\n")
    (tmp_path / "2.patch").write_text("I did it.\n\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n")
    (tmp_path / "3.stop").write_text("")
    (tmp_path / "4.hint").write_text("  \n")
    (tmp_path / "5.patch").write_text("no patch yet\n")
    (tmp_path / "6.hint").write_bytes(b"\xff\xfe")
    (tmp_path / "7.hint").write_text("x" * 9000)
    (tmp_path / "8.hint").symlink_to("1.hint")
    found = asyncio.run(queue.poll())
    assert [(item.name, item.form, item.text) for item in found] == [
        ("1.hint", "hint", "look there"),
        ("2.patch", "takeover", "I did it."),
        ("3.stop", "interrupt", ""),
    ]
    assert found[1].patch.startswith("--- a/x\n")
    asyncio.run(queue.settle(found[0]))
    asyncio.run(queue.settle(found[1], "does not apply"))
    names = {path.name for path in tmp_path.iterdir()}
    assert {"1.hint.taken", "2.patch.refused", "2.patch.reason", "6.hint.refused", "7.hint.refused"} <= names
    assert (tmp_path / "2.patch.reason").read_text() == "does not apply\n"
    assert [item.name for item in asyncio.run(queue.poll())] == ["3.stop"]
