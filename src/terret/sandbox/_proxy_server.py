"""The proxy's server: reads a request, has it judged, sends it on, and hands the reply back."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from http.client import HTTPConnection, HTTPException, HTTPResponse
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

from terret.sandbox._egress_rules import Ruling, judge, judge_addresses, plain_host

if TYPE_CHECKING:
    from terret.sandbox._proxy import Channel, Egress

TIMEOUT_S = 60.0
MOST_BODY = 64 << 20
_CHUNK = 65536
_HOP = {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "host", "expect"}


class ProxyServer(ThreadingMixIn, UnixStreamServer):
    """Serves one command; every connection in a thread of its own."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, path: str, egress: Egress, channel: Channel) -> None:
        self.egress = egress
        self.channel = channel
        self._sockets: set[socket.socket] = set()
        self._guard = threading.Lock()
        self._ended = False
        super().__init__(path, _Handler)

    def keep(self, one: socket.socket) -> socket.socket:
        """Have a connection cut when the command has ended."""
        with self._guard:
            self._sockets.add(one)
            if self._ended:
                _cut(one)
        return one

    def get_request(self) -> tuple[socket.socket, Any]:
        """The next connection."""
        request, address = super().get_request()
        return self.keep(request), address

    def end(self) -> None:
        """Cut every connection."""
        self.server_close()
        with self._guard:
            self._ended = True
            for one in self._sockets:
                _cut(one)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that broke is its client's concern."""


def _cut(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    server: ProxyServer  # pyright: ignore[reportIncompatibleVariableOverride]
    protocol_version = "HTTP/1.1"
    timeout = TIMEOUT_S

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._request
        raise AttributeError(name)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is printed; decisions are recorded."""

    def _request(self) -> None:
        self.close_connection = True
        method = self.command.upper()
        try:
            url = urlsplit(f"//{self.path}") if method == "CONNECT" else urlsplit(self.path)
            host = plain_host(url.hostname or "")
            port = url.port or (443 if url.scheme == "https" else 80)
            if url.username is not None or (method != "CONNECT" and url.scheme not in ("http", "https")):
                raise ValueError(self.path)
        except (ValueError, UnicodeError):
            self._refuse({"method": method, "host": ""}, Ruling(False, "request:malformed", "give a whole http URL"))
            return
        note: dict[str, Any] = {"method": method, "host": host, "port": port}
        if method != "CONNECT":
            note["path"] = url.path[:200]
        ruling = judge(self.server.egress.rules, method, host, port)
        if ruling.by is None:
            self._refuse(note, ruling)
            return
        tls = method != "CONNECT" and (url.scheme == "https" or ruling.by.tls)
        if tls and url.scheme == "http" and url.port is None:
            note["port"] = port = 443
            ruling = judge(self.server.egress.rules, method, host, port)
        if ruling.by is not None:
            ruling = self._reach(note, ruling, host, port)
        if ruling.by is None or self._peer is None:
            self._refuse(note, ruling)
            return
        note |= {"allowed": True, "rule": ruling.rule, "reason": ruling.reason}
        if not self.server.channel.admit(note):
            self._peer.close()
            self._answer(429, "too many requests in one command")
            return
        with self._peer:
            if method == "CONNECT":
                self._tunnel(self._peer, note)
            else:
                self._forward(self._peer, url, host, port, note, tls=tls, private=ruling.by.private)

    _peer: socket.socket | None = None

    def _reach(self, note: dict[str, Any], ruling: Ruling, host: str, port: int) -> Ruling:
        """Resolve, judge the addresses and connect to one of them."""
        from terret.sandbox._proxy import resolve

        assert ruling.by is not None
        try:
            addresses = resolve(host, port)
            found = judge_addresses(ruling.by, host, addresses)
            if not found.allowed:
                return found
            note["address"] = addresses[0]
            self._peer = self.server.keep(socket.create_connection((addresses[0], port), TIMEOUT_S))
        except OSError as error:
            return Ruling(False, "unreachable", f"{host} cannot be reached: {error.strerror or error}")
        return ruling

    def _refuse(self, note: dict[str, Any], ruling: Ruling) -> None:
        note |= {"allowed": False, "rule": ruling.rule, "reason": ruling.reason}
        self.server.channel.admit(note)
        self._answer(502 if ruling.rule == "unreachable" else 403, f"{ruling.reason} (rule {ruling.rule})")

    def _answer(self, status: int, text: str) -> None:
        body = f"terret: {text}\n".encode()
        self.send_response_only(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _tunnel(self, peer: socket.socket, note: dict[str, Any]) -> None:
        self.send_response_only(200, "Connection established")
        self.end_headers()
        back = threading.Thread(target=_pump, args=(peer, self.connection, note, "received"), daemon=True)
        back.start()
        _pump(self.connection, peer, note, "sent")
        back.join()

    def _forward(
        self,
        peer: socket.socket,
        url: SplitResult,
        host: str,
        port: int,
        note: dict[str, Any],
        *,
        tls: bool,
        private: bool,
    ) -> None:
        try:
            body = self._body()
        except ValueError:
            self._answer(411, "the request's body needs a Content-Length of at most 64 MiB")
            return
        headers, used = self._headers(host, inject=tls or private)
        note["sent"] = len(body)
        if used:
            note["secrets"] = used
        upstream = HTTPConnection(host, port, timeout=TIMEOUT_S)
        try:
            if tls:
                peer = ssl.create_default_context().wrap_socket(peer, server_hostname=host)
            upstream.sock = peer
            upstream.putrequest(
                self.command,
                (url.path or "/") + (f"?{url.query}" if url.query else ""),
                skip_host=True,
                skip_accept_encoding=True,
            )
            standard = port == (443 if tls else 80)
            name = f"[{host}]" if ":" in host else host
            upstream.putheader("Host", name if standard else f"{name}:{port}")
            for header, value in headers:
                upstream.putheader(header, value)
            upstream.putheader("Connection", "close")
            upstream.endheaders(body or None)
            self._reply(upstream.getresponse(), note, used)
        except (OSError, HTTPException, ValueError) as error:
            note["error"] = type(error).__name__
            if "status" not in note:
                self._answer(502, f"{host} gave no reply: {type(error).__name__}")
        finally:
            upstream.close()

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding"):
            raise ValueError
        size = int(self.headers.get("Content-Length") or 0)
        if not 0 <= size <= MOST_BODY:
            raise ValueError
        return self.rfile.read(size)

    def _headers(self, host: str, *, inject: bool) -> tuple[list[tuple[str, str]], list[str]]:
        named = {name.strip().lower() for name in (self.headers.get("Connection") or "").split(",")}
        kept: list[tuple[str, str]] = []
        used: list[str] = []
        for name, value in self.headers.items():
            if name.lower() in _HOP | named or name.lower().startswith("proxy-"):
                continue
            filled, found = self.server.egress.inject(host, name, value) if inject else (value, [])
            kept.append((name, filled))
            used += found
        if used:
            kept = [pair for pair in kept if pair[0].lower() != "accept-encoding"]
            kept.append(("Accept-Encoding", "identity"))
        return kept, used

    def _reply(self, reply: HTTPResponse, note: dict[str, Any], used: list[str]) -> None:
        from terret.sandbox._proxy import placeholder

        cover = {self.server.egress.value(name): placeholder(name).encode() for name in used}
        note["status"] = reply.status
        self.send_response_only(reply.status, reply.reason)
        for name, value in reply.getheaders():
            if name.lower() in _HOP or (cover and name.lower() == "content-length"):
                continue
            for secret, mark in cover.items():
                value = value.replace(secret.decode("latin-1"), mark.decode())
            self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()
        received, kept, longest = 0, b"", max((len(secret) for secret in cover), default=1)
        while chunk := reply.read1(_CHUNK):
            received += len(chunk)
            kept += chunk
            for secret, mark in cover.items():
                kept = kept.replace(secret, mark)
            # A secret may lie across two reads.
            ready = len(kept) - longest + 1
            if ready > 0:
                self.wfile.write(kept[:ready])
                kept = kept[ready:]
            note["received"] = received
        self.wfile.write(kept)


def _pump(source: socket.socket, target: socket.socket, note: dict[str, Any], name: str) -> None:
    with contextlib.suppress(OSError):
        while chunk := source.recv(_CHUNK):
            target.sendall(chunk)
            note[name] = note.get(name, 0) + len(chunk)
        target.shutdown(socket.SHUT_WR)
