"""A tree as a deterministic ``.tar.gz`` and back."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import zlib

from terret.errors import PackageError
from terret.sandbox._objects import EXECUTABLE, FILE, LINK, ObjectStore
from terret.sandbox._source import components

_MOST_BYTES = 8 << 30
_MOST_FILES = 1_000_000


def pack(store: ObjectStore, tree: str) -> bytes:
    """The same tree always gives the same bytes: sorted, no times, no owners, modes 644 and 755.

    Raises:
        SandboxError: The store has no such tree.
    """
    files = sorted(store.walk(tree))
    contents = dict(store.read_many(item.id for _, item in files))
    raw = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=raw, mode="wb", mtime=0, compresslevel=3) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.GNU_FORMAT, encoding="utf-8") as tar,
    ):
        for path, item in files:
            member = tarfile.TarInfo(os.fsdecode(path))
            content = contents[item.id]
            if item.mode == LINK:
                member.type, member.linkname, member.mode = tarfile.SYMTYPE, os.fsdecode(content), 0o777
                tar.addfile(member)
                continue
            member.size, member.mode = len(content), 0o755 if item.mode == EXECUTABLE else 0o644
            tar.addfile(member, io.BytesIO(content))
    return raw.getvalue()


def unpack(store: ObjectStore, archive: bytes) -> str:
    """Bring an archive into the store; returns the tree's id.

    Raises:
        PackageError: It is not such an archive, or names anything but plain files and links inside the folder.
    """
    paths: dict[tuple[bytes, ...], tuple[bytes, str]] = {}
    total = 0
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz", encoding="utf-8") as tar:
            for member in tar:
                if member.isdir():
                    continue
                parts = components(member.name)
                total += member.size
                if parts is None or parts in paths or not (member.isreg() or member.issym()):
                    raise PackageError("the archive of the initial tree has a bad member", value=member.name)
                if total > _MOST_BYTES or len(paths) > _MOST_FILES:
                    raise PackageError("the archive of the initial tree is too large", value=total)
                file = tar.extractfile(member) if member.isreg() else None
                content = os.fsencode(member.linkname) if file is None else file.read()
                mode = LINK if file is None else EXECUTABLE if member.mode & 0o100 else FILE
                paths[parts] = (mode, store.add(b"blob", content))
    except (tarfile.TarError, OSError, EOFError, zlib.error, UnicodeError, ValueError) as error:
        raise PackageError(f"the archive of the initial tree cannot be read: {error}") from None
    if any(parts[:depth] in paths for parts in paths for depth in range(1, len(parts))):
        raise PackageError("the archive of the initial tree has a path that is both file and folder")
    return store.add_paths(paths)
