"""Metrics and health over HTTP, for Prometheus and for whoever watches the machine."""

from __future__ import annotations

import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import msgspec

from terret.errors import InfrastructureError, TerretError
from terret.operate._facts import Fleet
from terret.operate._metrics import prometheus_text

TEXT = "text/plain; version=0.0.4; charset=utf-8"
"""The Prometheus text format."""


def health(fleet: Fleet) -> dict[str, Any]:
    """Whether the fleet can be read, and what there is: ``ok``, or ``failing`` with the reason.

    ``damaged`` names journals that cannot be read; they do not make the fleet fail, for the others go on.
    """
    try:
        found = fleet.episodes()
    except (TerretError, OSError) as error:
        return {"status": "failing", "reason": str(error)}
    states = Counter(one.state for one in found)
    damaged = [one.name for one in found if one.state == "damaged"]
    running = [one.latest for one in found if one.state == "running"]
    return {
        "status": "ok",
        "episodes": dict(sorted(states.items())),
        "damaged": damaged,
        "oldest_running_event": min(running, default=None),
    }


class MetricsServer:
    """Answers ``GET /metrics`` and ``GET /health``; one answer is computed at a time.

    Args:
        fleet: What is measured.
        port: 0 takes a free one.
        host: Only this machine can reach the default.

    Raises:
        InfrastructureError: The address cannot be used.
    """

    def __init__(self, fleet: Fleet, port: int, host: str = "127.0.0.1") -> None:
        handler = type("Handler", (_Handler,), {"fleet": fleet, "turn": threading.Lock()})
        try:
            self._server = ThreadingHTTPServer((host, port), handler)
        except OSError as error:
            raise InfrastructureError(
                f"the address cannot be used: {error.strerror}", value=f"{host}:{port}", hint="choose another port"
            ) from None
        self._server.daemon_threads = True
        self.address = f"http://{host}:{self._server.server_address[1]}"
        """Where it answers."""

    def serve(self) -> None:
        """Answer until :meth:`close`."""
        self._server.serve_forever(poll_interval=0.2)

    def close(self) -> None:
        """Answer nothing more."""
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    fleet: ClassVar[Fleet]
    turn: ClassVar[threading.Lock]
    timeout = 10
    server_version = "terret"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer one request."""
        path = self.path.partition("?")[0]
        if path == "/metrics":
            try:
                with self.turn:
                    self._answer(200, TEXT, prometheus_text(self.fleet))
            except (TerretError, OSError) as error:
                self._answer(503, TEXT, f"# {error}\n".encode())
        elif path == "/health":
            with self.turn:
                found = health(self.fleet)
            status = 200 if found["status"] == "ok" else 503
            self._answer(status, "application/json", msgspec.json.encode(found) + b"\n")
        else:
            self._answer(404, TEXT, b"there are /metrics and /health\n")

    def _answer(self, status: int, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Requests are not logged."""
