"""The inside end of the way out: a program that joins the sandbox's loopback with the proxy's socket, then the command.

The network namespace stays empty. Standard library only, because it runs with whatever interpreter is shown inside.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

PORT = 3128
SOCKET = "/run/terret/proxy"

_PROGRAM = f"""
import os, socket, sys, threading
door = socket.create_server(("127.0.0.1", {PORT}), backlog=64)
if os.fork():
    door.close()
    os.execv(sys.argv[1], sys.argv[1:])
os.setsid()
null = os.open("/dev/null", os.O_RDWR)
for handle in (0, 1, 2):
    os.dup2(null, handle)
def pass_on(source, target):
    try:
        while chunk := source.recv(65536):
            target.sendall(chunk)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        for one in (source, target):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
def serve(client):
    with client, socket.socket(socket.AF_UNIX) as proxy:
        try:
            proxy.connect({SOCKET!r})
        except OSError:
            return
        back = threading.Thread(target=pass_on, args=(proxy, client), daemon=True)
        back.start()
        pass_on(client, proxy)
        back.join()
while True:
    try:
        client, _ = door.accept()
        threading.Thread(target=serve, args=(client,), daemon=True).start()
    except (OSError, RuntimeError):
        pass
"""

ENVIRONMENT = {
    **dict.fromkeys(("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"), f"http://127.0.0.1:{PORT}"),
    **dict.fromkeys(("NO_PROXY", "no_proxy"), "localhost,127.0.0.1,::1"),
}
"""Variables by which programs find the proxy."""


def through_relay(words: Sequence[str]) -> list[str]:
    """The words of a command that begins with the relay standing."""
    return [sys.executable, "-I", "-S", "-c", _PROGRAM, *words]
