"""A package as one deterministic ``.tar.gz``, and back."""

from __future__ import annotations

import gzip
import io
import shutil
import tarfile
import zlib
from pathlib import Path, PurePosixPath

from terret.errors import ConfigError, PackageError

MOST_BYTES = 4 << 30
_MOST_FILES = 100_000


def wrap(folder: Path) -> bytes:
    """A package's files; the same package always gives the same bytes."""
    raw = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=raw, mode="wb", mtime=0, compresslevel=3) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.GNU_FORMAT) as tar,
    ):
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            name = path.relative_to(folder).as_posix()
            if name.split("/")[0] == "live":
                continue
            content = path.read_bytes()
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o644
            tar.addfile(member, io.BytesIO(content))
    return raw.getvalue()


def unwrap(parcel: bytes, folder: Path) -> None:
    """Write a package's files into a new or empty folder.

    Raises:
        ConfigError: The folder is in use or cannot be written.
        PackageError: The parcel is damaged, or names anything but plain files inside the folder.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError("the folder is in use", value=str(folder), hint="name a new one with --out")
    partial = folder.with_name(f".{folder.name}.partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        _unpack(parcel, partial)
        if folder.exists():
            folder.rmdir()
        partial.rename(folder)
    except OSError as error:
        raise ConfigError(f"the package cannot be written: {error.strerror}", where=str(error.filename)) from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _unpack(parcel: bytes, folder: Path) -> None:
    total = files = 0
    try:
        with tarfile.open(fileobj=io.BytesIO(parcel), mode="r:gz") as tar:
            for member in tar:
                path = PurePosixPath(member.name)
                total, files = total + member.size, files + 1
                file = tar.extractfile(member) if member.isreg() else None
                if file is None or path.is_absolute() or ".." in path.parts or not path.parts:
                    raise PackageError("the parcel has a bad member", value=member.name)
                if total > MOST_BYTES or files > _MOST_FILES:
                    raise PackageError("the parcel is too large", value=total)
                target = folder / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(file.read())
    except (tarfile.TarError, EOFError, zlib.error, UnicodeError, ValueError) as error:
        raise PackageError(f"the parcel cannot be read: {error}") from None
