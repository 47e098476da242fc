"""One worker of the fleet benchmark, in a network of its own: it reaches the store and the server by sockets alone."""

from __future__ import annotations

import argparse
import array
import fcntl
import signal
import socket
import struct
import sys
import threading
from pathlib import Path

from benchmarks._chaos_world import KEY, model
from terret.fleet import Equipment, Fleet, News, Worker, WorkerLost

LOST = 9
"""Exit code of a worker that others took for dead."""

_SIOCSIFFLAGS, _IFF_UP = 0x8914, 0x1


def raise_loopback() -> None:
    """Switch on the loopback device of a new network namespace."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP))


def relay(port: int, target: Path) -> None:
    """Pass what arrives at a loopback port on to a socket in the file system."""
    server = socket.create_server(("127.0.0.1", port))

    def accept() -> None:
        while True:
            near, _ = server.accept()
            far = socket.socket(socket.AF_UNIX)
            far.connect(str(target))
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=_pump, args=(source, sink), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    buffer = array.array("B", bytes(65536))
    try:
        while size := source.recv_into(buffer):
            sink.sendall(memoryview(buffer)[:size])
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        sink.close()


def main() -> int:
    options = argparse.ArgumentParser()
    options.add_argument("url")
    options.add_argument("work", type=Path)
    options.add_argument("--port", type=int, required=True)
    options.add_argument("--socket", type=Path)
    options.add_argument("--lease", type=float, required=True)
    chosen = options.parse_args()
    if chosen.socket is not None:
        raise_loopback()
        relay(chosen.port, chosen.socket)

    def tell(news: News) -> None:
        print(news.what, news.episode, news.detail, flush=True)

    equipment = Equipment(
        connect=lambda episode: model(chosen.port, episode),
        folder=chosen.work,
        key=KEY,
        retries_s=(0.5, 1.0, 2.0, 4.0, 8.0, 16.0),
    )
    with Fleet(chosen.url, patience_s=30.0) as fleet:
        worker = Worker(fleet, equipment, model="scripted:chaos", lease_s=chosen.lease, listener=tell)
        signal.signal(signal.SIGTERM, lambda *_: worker.stop())
        print("worker", worker.id, flush=True)
        try:
            worker.run()
        except WorkerLost:
            return LOST
    return 0


if __name__ == "__main__":
    sys.exit(main())
