"""HTTP as a primitive: only named hosts, one key for one request, unknown outcomes repeated under it or surfaced."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from episode_killed import Died

from terret.journal import Denied, EpisodeResumed, Event, Intent, Journal, Observed, Outcome, SigningKey, check_package
from terret.models import ModelIdentity, ScriptedModel
from terret.runtime import (
    DirectHttp,
    Episode,
    HttpReply,
    HttpRequest,
    NoReply,
    NotSent,
    net_tools,
    resume_episode,
    run_episode,
)
from terret.task import Permissions, Repository, Task

KEY = SigningKey(bytes(range(32)))
TASK = Task(
    name="net",
    repository=Repository(files={"a.txt": "a\n"}),
    objective="Tell them.",
    permissions=Permissions(hosts=("api.example.org", "*.example.net")),
)


class Wire:
    """Answers requests; ``plan`` says what happens to each, in turn."""

    def __init__(self, *plan: Callable[[], None]) -> None:
        self.plan = list(plan)
        self.requests: list[HttpRequest] = []

    async def __call__(self, request: HttpRequest) -> HttpReply:
        self.requests.append(request)
        if self.plan:
            self.plan.pop(0)()
        return HttpReply(201, {"content-type": "text/plain", "set-cookie": "x"}, b"made")

    @property
    def keys(self) -> list[str | None]:
        return [request.headers.get("Idempotency-Key") for request in self.requests]


def fail(error: BaseException) -> Callable[[], None]:
    def act() -> None:
        raise error

    return act


def model(*calls: dict[str, Any]) -> ScriptedModel:
    plan = [{"tool": "http_request", "args": {"method": "POST", "body": "hi", **call}} for call in calls]
    plan.append({"tool": "declare_complete", "args": {"summary": "done"}})
    identity = ModelIdentity(spec="scripted:x", provider="scripted", name="x", dialect="json")
    return ScriptedModel([f"```json\n{json.dumps(one)}\n```" for one in plan], identity)


def run(folder: Path, wire: Wire, *calls: dict[str, Any]) -> Episode:
    tools = net_tools(wire)
    if (folder / "live").exists():
        again = resume_episode(folder, key=KEY, connect=lambda spec: model(*calls), extra_tools=tools)
        return asyncio.run(again)
    return asyncio.run(run_episode(TASK, model=model(*calls), folder=folder, key=KEY, extra_tools=tools))


def of(folder: Path, kind: type[Any]) -> list[Any]:
    events: list[Event] = check_package(folder).events
    intents = {e.data.effect for e in events if isinstance(e.data, Intent) and e.data.primitive == "net.request"}
    found = [event.data for event in events if isinstance(event.data, kind)]
    return [data for data in found if not isinstance(data, Intent | Outcome) or data.effect in intents]


ALLOWED = {"url": "https://api.example.org/items"}


@pytest.mark.sandbox
def test_a_request_to_a_named_host_is_sent_and_recorded(tmp_path: Path) -> None:
    wire = Wire()
    run(tmp_path / "e", wire, ALLOWED, {**ALLOWED, "once": True}, {**ALLOWED, "once": True})
    assert [request.body for request in wire.requests] == [b"hi"] * 3
    assert wire.keys[0] is None
    assert None not in wire.keys[1:]
    assert len(set(wire.keys)) == 3
    assert [intent.key for intent in of(tmp_path / "e", Intent)] == wire.keys
    assert [intent.effect_class for intent in of(tmp_path / "e", Intent)] == ["external"] * 3
    assert of(tmp_path / "e", Outcome)[0].result["headers"] == {"content-type": "text/plain"}
    assert of(tmp_path / "e", Observed)[0].text.inline == "HTTP 201\nmade"


@pytest.mark.sandbox
@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/",
        "https://api.example.org:8443/",
        "https://api.example.org.evil.com/",
        "https://api.example.org@evil.com/",
        "https://example.net/",
        "ftp://api.example.org/",
        "https:///x",
        "https://api.example.org\\@evil.com/",
        "nonsense",
    ],
)
def test_other_hosts_are_denied(tmp_path: Path, url: str) -> None:
    wire = Wire()
    run(tmp_path / "e", wire, {"url": url})
    assert wire.requests == []
    (denied,) = of(tmp_path / "e", Denied)
    assert denied.decision["rule"] in ("hosts:unnamed", "args:url")


@pytest.mark.sandbox
@pytest.mark.parametrize("once", [True, False])
def test_a_death_during_a_request_is_repeated_under_its_key_or_told(tmp_path: Path, once: bool) -> None:
    folder, call = tmp_path / "e", {**ALLOWED, "once": once}
    first = Wire(fail(Died()))
    with pytest.raises(Died):
        run(folder, first, call)
    assert isinstance(Journal.read(folder / "live")[-1].data, Intent)
    second = Wire()
    run(folder, second, call)
    (resumed,) = of(folder, EpisodeResumed)
    assert [one["rule"] for one in resumed.unknown] == ["repeat under its key" if once else "surface"]
    (outcome,) = of(folder, Outcome)
    assert outcome.status == ("ok" if once else "unknown")
    assert second.keys == (first.keys if once else [])
    failure = of(folder, Observed)[0].failure
    assert failure is None if once else failure["type"] == "unknown_outcome"


@pytest.mark.sandbox
def test_a_lost_reply_is_asked_for_again_only_under_a_key(tmp_path: Path) -> None:
    keyed = Wire(fail(NoReply("no reply")), fail(NoReply("no reply")))
    run(tmp_path / "a", keyed, {**ALLOWED, "once": True})
    assert len(keyed.requests) == 3
    assert len(set(keyed.keys)) == 1
    assert of(tmp_path / "a", Outcome)[0].status == "ok"
    plain = Wire(fail(NoReply("no reply")))
    run(tmp_path / "b", plain, ALLOWED)
    assert len(plain.requests) == 1
    assert of(tmp_path / "b", Outcome)[0].status == "unknown"
    dead = Wire(fail(NotSent("it cannot be reached")))
    run(tmp_path / "c", dead, ALLOWED)
    assert of(tmp_path / "c", Outcome)[0].status == "error"
    assert of(tmp_path / "c", Observed)[0].failure["type"] == "unreachable"


class Pages(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/cut":
            self.send_response(200)
            self.send_header("Content-Length", "100")
            self.end_headers()
            self.wfile.write(b"short")
            return
        self.send_response(302)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def pages() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Pages)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_direct_requests_follow_no_redirect_and_tell_unsent_from_unanswered(pages: str) -> None:
    send = DirectHttp()
    reply = asyncio.run(send(HttpRequest("GET", f"{pages}/a?b=c")))
    assert (reply.status, reply.headers["location"]) == (302, "/elsewhere")
    with pytest.raises(NoReply):
        asyncio.run(send(HttpRequest("GET", f"{pages}/cut")))
    with pytest.raises(NotSent):
        asyncio.run(send(HttpRequest("GET", "http://127.0.0.1:9/")))
    with pytest.raises(NotSent):
        asyncio.run(send(HttpRequest("GET", f"{pages}/a b")))
