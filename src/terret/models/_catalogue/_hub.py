"""Weights as one file: from a folder, or over HTTP with resume."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from terret.errors import DownloadError
from terret.models._catalogue._assembly import CHUNK, Assembly, chunks

_TIMEOUT_S = 30.0


def fetch_file(assembly: Assembly, file: Path) -> None:
    """Copy the weights from a local file.

    Raises:
        DownloadError: The file cannot be read.
    """
    try:
        with file.open("rb") as source:
            assembly.restart()
            for chunk in chunks(source):
                assembly.write(chunk)
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        raise DownloadError(f"the file cannot be read: {error.strerror}", where=str(file)) from None


def fetch_url(assembly: Assembly, url: str, size: int) -> None:
    """Append what is missing of a file behind an address.

    Raises:
        DownloadError: The server is unreachable, refuses, or breaks off.
    """
    start = assembly.keep_all()
    if start == size:
        return
    request = urllib.request.Request(url, headers={"User-Agent": "terret", "Accept-Encoding": "identity"})
    if start:
        request.add_header("Range", f"bytes={start}-")
    with _answer(request) as answer:
        if start and answer.status != http.client.PARTIAL_CONTENT:
            assembly.restart()
        while chunk := _read(answer, url):
            assembly.write(chunk)


@contextmanager
def _answer(request: urllib.request.Request) -> Generator[http.client.HTTPResponse, None, None]:
    url = request.full_url
    try:
        answer: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=_TIMEOUT_S)
    except urllib.error.HTTPError as error:
        error.close()
        raise DownloadError(f"the server answered {error.code} {error.reason}", where=url) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise DownloadError(f"the server cannot be reached: {reason}", where=url) from None
    with answer:
        yield answer


def _read(answer: http.client.HTTPResponse, url: str) -> bytes:
    try:
        return answer.read(CHUNK)
    except (OSError, http.client.HTTPException) as error:
        raise DownloadError(f"the download broke off: {error}", where=url, hint="pull again to go on") from None
