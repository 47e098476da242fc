"""Writes objects as a git pack with its index (version 2 of both)."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Mapping
from hashlib import sha1
from pathlib import Path

_KINDS = {b"commit": 1, b"tree": 2, b"blob": 3}


def write_pack(folder: Path, objects: Mapping[str, tuple[bytes, bytes]]) -> Path:
    """Store objects (hex id -> kind, content) as one pack; returns the pack file.

    Raises:
        OSError: The folder cannot be written.
    """
    partial = folder / f"partial-{os.getpid()}-{len(objects)}"
    index: list[tuple[bytes, int, int]] = []
    digest = sha1(usedforsecurity=False)
    try:
        with partial.open("wb") as file:

            def put(part: bytes) -> None:
                file.write(part)
                digest.update(part)

            put(struct.pack(">4sII", b"PACK", 2, len(objects)))
            for name, (kind, content) in objects.items():
                record = _header(_KINDS[kind], len(content)) + zlib.compress(content, 1)
                index.append((bytes.fromhex(name), zlib.crc32(record), file.tell()))
                put(record)
            file.write(digest.digest())
        base = folder / f"pack-{digest.hexdigest()}"
        # Git looks for the index; the pack must be there first.
        partial.replace(base.with_suffix(".pack"))
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    partial.write_bytes(_index(sorted(index), digest.digest()))
    partial.replace(base.with_suffix(".idx"))
    return base.with_suffix(".pack")


def _header(kind: int, size: int) -> bytes:
    """Kind and size, seven bits a byte after the first four."""
    head = bytearray()
    byte, size = (kind << 4) | (size & 15), size >> 4
    while size:
        head.append(byte | 0x80)
        byte, size = size & 0x7F, size >> 7
    head.append(byte)
    return bytes(head)


def _index(entries: list[tuple[bytes, int, int]], pack: bytes) -> bytes:
    counts = [0] * 256
    for name, _, _ in entries:
        counts[name[0]] += 1
    fanout, total = list[int](), 0
    for number in counts:
        total += number
        fanout.append(total)
    small, large = list[int](), list[int]()
    for _, _, offset in entries:
        small.append(offset if offset < 1 << 31 else 0x80000000 | len(large))
        if offset >= 1 << 31:
            large.append(offset)
    body = b"".join(
        (
            b"\xfftOc" + struct.pack(">I256I", 2, *fanout),
            b"".join(name for name, _, _ in entries),
            struct.pack(f">{len(entries)}I", *(crc for _, crc, _ in entries)),
            struct.pack(f">{len(small)}I", *small),
            struct.pack(f">{len(large)}Q", *large),
            pack,
        )
    )
    return body + sha1(body, usedforsecurity=False).digest()
