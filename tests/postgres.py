"""A PostgreSQL server of one's own: in a temporary folder, on its own port and socket, gone when the tests end.

``postgres_server`` is one server for all tests of a run, ``postgres_url`` an empty database on it for one test. The
server does not sync its disk (``durable=True`` does); as root it runs as user ``postgres``.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

_OPTIONS = {
    "max_connections": "200",
    "shared_buffers": "32MB",
    "log_min_messages": "warning",
    "lc_messages": "C",
    "autovacuum": "off",
}
_FAST = {"fsync": "off", "full_page_writes": "off"}
_START_S = 30.0


class PostgresServer:
    """One server process with its files; :meth:`close` ends it and removes them.

    Args:
        durable: Sync the disk, as a server that has to survive a crash does.

    Raises:
        FileNotFoundError: There is no PostgreSQL on this machine.
    """

    def __init__(self, *, durable: bool = False) -> None:
        self._programs = programs()
        self._user = _unprivileged()
        self.folder = Path(tempfile.mkdtemp(prefix="terret-postgres-", dir="/tmp"))
        if self._user is not None:
            os.chown(self.folder, self._user.pw_uid, self._user.pw_gid)
        self.port = _free_port()
        self._options = {**_OPTIONS, **({} if durable else _FAST)}
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = count(1)
        try:
            how = ["--auth=trust", "--username=terret", "--encoding=UTF8", "--locale=C", "--no-sync"]
            make = self._command("initdb", "-D", str(self.folder / "data"), *how)
            subprocess.run(make, check=True, capture_output=True, cwd="/")
            self.start()
        except BaseException:
            self.close()
            raise

    def url(self, database: str = "postgres") -> str:
        """Where a database is reached."""
        return f"postgresql://terret@127.0.0.1:{self.port}/{database}"

    def database(self) -> str:
        """A new, empty database; its URL."""
        name = f"t{next(self._databases)}"
        self.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run a statement as the server's owner; its rows."""
        import psycopg

        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []

    def start(self) -> None:
        """Start the server and wait until it answers; it ends with the thread that calls this."""
        options = {**self._options, "listen_addresses": "127.0.0.1", "port": str(self.port)}
        options["unix_socket_directories"] = str(self.folder)
        words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        log = (self.folder / "log").open("ab")
        with log:
            self._process = subprocess.Popen(
                self._command("postgres", "-D", str(self.folder / "data"), *words), stdout=log, stderr=log, cwd="/"
            )
        ready = [self._programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        for _ in range(int(_START_S / 0.05)):
            if subprocess.run(ready, check=False).returncode == 0:
                return
            if self._process.poll() is not None:
                break
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(0.05)
        raise RuntimeError((self.folder / "log").read_text(errors="replace")[-2000:])

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """End the server: ``SIGINT`` orderly, ``SIGQUIT`` as a crash does (what was not synced may be lost)."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(30)
            self._process = None

    def restart(self, how: signal.Signals = signal.SIGINT) -> None:
        """End it and start it again on the same port."""
        self.stop(how)
        self.start()

    def close(self) -> None:
        """End the server and remove its files."""
        try:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.stop(signal.SIGQUIT)
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _command(self, program: str, *words: str) -> list[str]:
        ends_with_parent = ["setpriv", "--pdeathsig", "QUIT"]
        if self._user is not None:
            ends_with_parent += [f"--reuid={self._user.pw_uid}", f"--regid={self._user.pw_gid}", "--clear-groups"]
        return [*ends_with_parent, str(self._programs / program), *words]


def programs() -> Path:
    """The folder of the newest PostgreSQL server's programs.

    Raises:
        FileNotFoundError: There is none.
    """
    on_path = shutil.which("initdb")
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parent.parent.name))
    if found:
        return found[-1].parent
    if on_path is not None:
        return Path(on_path).resolve().parent
    raise FileNotFoundError("no PostgreSQL server here: apt-get install postgresql")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """The server of this run; a test that uses it is skipped where PostgreSQL or its driver cannot be had."""
    pytest.importorskip("psycopg", reason="the driver is missing: pip install 'terret[postgres]'", exc_type=ImportError)
    try:
        server = PostgresServer()
    except FileNotFoundError as missing:
        pytest.skip(str(missing))
    try:
        yield server
    finally:
        server.close()


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> str:
    """The URL of an empty database."""
    return postgres_server.database()


def _unprivileged() -> pwd.struct_passwd | None:
    """Whom the server runs as: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise FileNotFoundError("no user to run PostgreSQL as")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
