"""The way out: what a command reaches through the proxy, what it does not, and secrets it uses without seeing them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from terret.errors import ConfigError
from terret.sandbox import Command, Completed, Egress, Sandbox, probe
from terret.task import EgressRule, Limits, SecretRule

pytestmark = pytest.mark.sandbox

VALUE = "s3cret-0fd1c2-value"
LIMITS = Limits(wall_s=20.0, cpu_s=20.0, memory_mb=128, pids=64, output_kb=64, disk_mb=16)


class _Echo(BaseHTTPRequestHandler):
    """Answers with what it was sent."""

    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(size).decode()
        said = json.dumps({"method": self.command, "path": self.path, "headers": dict(self.headers), "body": body})
        self.server.seen.append(json.loads(said))  # type: ignore[attr-defined]
        reply = said.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(reply)))
        self.send_header("X-Said", self.headers.get("Authorization", "nothing"))
        self.end_headers()
        self.wfile.write(reply)

    do_GET = do_POST = _answer  # noqa: N815

    def log_message(self, *args: Any) -> None:
        """Quiet."""


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Echo) as server:
        server.seen = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


Run = Callable[..., Completed]


@pytest.fixture
def reach(tmp_path: Path, server: ThreadingHTTPServer) -> Run:
    """Run a Python program in a sandbox whose way out follows the rules."""
    if probe().tier is None:
        pytest.skip(f"this machine does not isolate: {probe().missing}")
    (tmp_path / "work").mkdir()

    def call(program: str, *rules: EgressRule, secrets: tuple[SecretRule, ...] = (), **options: Any) -> Completed:
        egress = Egress(rules, secrets, {secret.name: VALUE for secret in secrets})
        text = f"import os, urllib.error, urllib.request as u\nPORT = {server.server_port}\n{program}"
        with Sandbox(tmp_path / "work", egress=egress) as sandbox:
            return sandbox.run(Command("python3 -I -S -", stdin=text.encode(), limits=LIMITS, **options))

    return call


def rule(server: ThreadingHTTPServer, *methods: str, **options: Any) -> EgressRule:
    return EgressRule("127.0.0.1", methods or ("GET",), (server.server_port,), **options)


# urllib leaves 127.0.0.1 out by no_proxy; a program that does not obeys the environment's proxy.
ASK = """
import http.client
def ask(method, url, headers={}, body=None):
    c = http.client.HTTPConnection("127.0.0.1", 3128, timeout=10)
    c.request(method, url, body, headers)
    r = c.getresponse()
    text = r.read().decode()
    print(r.status, text, r.getheader("X-Said"))
"""


def test_a_host_that_is_opened_is_reached_and_recorded(reach: Run, server: ThreadingHTTPServer) -> None:
    done = reach(ASK + 'ask("GET", f"http://127.0.0.1:{PORT}/a?b=c")', rule(server))
    assert done.output.startswith(b"200 "), done.output
    (decision,) = done.egress
    assert decision["allowed"] is True
    assert (decision["method"], decision["host"], decision["path"]) == ("GET", "127.0.0.1", "/a")
    assert decision["rule"] == "egress:127.0.0.1"
    assert decision["status"] == 200
    assert server.seen[0]["path"] == "/a?b=c"


@pytest.mark.parametrize(
    ("request_text", "rules", "by"),
    [
        ('ask("GET", "http://example.org/")', (), "egress:none"),
        ('ask("GET", "http://127.0.0.1.example.org/")', ("GET",), "egress:none"),
        ('ask("POST", f"http://127.0.0.1:{PORT}/", body="x")', ("GET",), "method:POST"),
        ('ask("GET", "http://127.0.0.1:1/")', ("GET",), "port:1"),
        ('ask("GET", f"http://a@127.0.0.1:{PORT}/")', ("GET",), "request:malformed"),
        ('ask("GET", f"ftp://127.0.0.1:{PORT}/")', ("GET",), "request:malformed"),
        ('ask("GET", "/")', ("GET",), "request:malformed"),
    ],
)
def test_everything_else_is_refused_with_its_rule(
    reach: Run, server: ThreadingHTTPServer, request_text: str, rules: tuple[str, ...], by: str
) -> None:
    done = reach(ASK + request_text, *([rule(server, *rules)] if rules else []))
    assert done.output.startswith(b"403 "), done.output
    assert [(one["allowed"], one["rule"]) for one in done.egress] == [(False, by)]
    assert server.seen == []


def test_a_name_that_stands_for_this_machine_is_refused_unless_private_is_opened(
    reach: Run, server: ThreadingHTTPServer
) -> None:
    named = EgressRule("localhost", ("GET",), (server.server_port,))
    program = ASK + 'ask("GET", f"http://localhost:{PORT}/")'
    done = reach(program, named)
    assert done.egress[0]["rule"] == "address:private"
    assert server.seen == []
    opened = EgressRule("localhost", ("GET",), (server.server_port,), private=True)
    assert reach(program, opened).output.startswith(b"200 ")


def test_there_is_no_other_way_out(reach: Run, server: ThreadingHTTPServer) -> None:
    program = """
import socket
for act in (
    lambda: socket.create_connection(("127.0.0.1", PORT), 2),
    lambda: socket.create_connection(("192.0.2.1", 80), 2),
    lambda: socket.getaddrinfo("example.org", 80),
):
    try:
        act()
        print("reached")
    except OSError as error:
        print("no")
"""
    done = reach(program, rule(server))
    assert done.output == b"no\nno\nno\n"
    assert done.egress == []


def test_a_tunnel_needs_its_own_method(reach: Run, server: ThreadingHTTPServer) -> None:
    program = """
import socket
s = socket.create_connection(("127.0.0.1", 3128))
s.sendall(f"CONNECT 127.0.0.1:{PORT} HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n".encode())
print(s.recv(4096).split()[1].decode())
s.sendall(b"GET /inside HTTP/1.0\\r\\n\\r\\n")
print(s.makefile().read()[:15])
"""
    assert reach(program, rule(server, "GET")).output.startswith(b"403")
    done = reach(program, rule(server, "CONNECT"))
    assert done.output.startswith(b"200\nHTTP/1.1 200 OK")
    assert server.seen[0]["path"] == "/inside"
    assert done.egress[0]["received"] > 100


def test_a_secret_is_put_in_for_its_host_and_header_only(reach: Run, server: ThreadingHTTPServer) -> None:
    secret = SecretRule("API_TOKEN", "127.0.0.1")
    program = (
        ASK
        + """
token = os.environ["API_TOKEN"]
print("seen", token)
ask("GET", f"http://127.0.0.1:{PORT}/", {"Authorization": "Bearer " + token, "X-Other": token})
ask("GET", f"http://localhost:{PORT}/", {"Authorization": "Bearer " + token})
"""
    )
    other = EgressRule("localhost", ("GET",), (server.server_port,), private=True)
    done = reach(program, rule(server, private=True), other, secrets=(secret,))
    first, second = (request["headers"] for request in server.seen)
    assert first["Authorization"] == f"Bearer {VALUE}"
    assert VALUE not in first["X-Other"]
    assert VALUE not in second["Authorization"]
    # The server said it back, and still it is not seen inside.
    assert VALUE.encode() not in done.output
    assert done.output.count(b"200 ") == 2, done.output
    assert done.egress[0]["secrets"] == ["API_TOKEN"]
    assert "secrets" not in done.egress[1]
    assert VALUE not in repr(done)


def test_a_secret_is_not_sent_in_clear(reach: Run, server: ThreadingHTTPServer) -> None:
    program = ASK + 'ask("GET", f"http://127.0.0.1:{PORT}/", {"Authorization": os.environ["API_TOKEN"]})'
    done = reach(program, rule(server), secrets=(SecretRule("API_TOKEN", "127.0.0.1"),))
    assert done.output.startswith(b"200 ")
    assert VALUE not in repr(server.seen)


def test_a_secret_without_a_value_is_said_so() -> None:
    with pytest.raises(ConfigError, match="API_TOKEN"):
        Egress((), (SecretRule("API_TOKEN", "example.org"),), {})


def test_the_command_itself_is_as_without_a_way_out(reach: Run, server: ThreadingHTTPServer) -> None:
    done = reach("import sys\nprint(sys.stdin.read(), os.environ['HTTP_PROXY'])\nsys.exit(3)", rule(server))
    assert done.exit_code == 3
    assert done.status == "ok"
    assert done.output == b" http://127.0.0.1:3128\n"
