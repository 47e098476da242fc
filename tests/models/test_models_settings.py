"""Settings from .env files, and specs to clients."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import terret.models
from terret.errors import ConfigError, ModelNotFound
from terret.models import HttpModel, LocalModel, connect, installed, load_settings, parse_env

OPENAI = {"OPENAI_API_KEY": "sk-abc"}


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("K=v", "v"),
        ("  export K = v  ", "v"),
        ("K=", ""),
        ("K=a b # comment", "a b"),
        ("K=a#b", "a#b"),
        ("K=#nothing", ""),
        ("K='a # $b \\n'", "a # $b \\n"),
        ('K="a \\"b\\" \\n\\\\" # comment', 'a "b" \n\\'),
        ("K=a=b", "a=b"),
        ("K=1\nK=2", "2"),
        ("\ufeffK=v\r\n", "v"),
        ("# K=x\n\nK=v", "v"),
    ],
)
def test_lines_of_a_settings_file(line: str, value: str) -> None:
    assert parse_env(line) == {"K": value}


@pytest.mark.parametrize(
    "line", ["s3cret", "=s3cret", "1K=s3cret", "K K=s3cret", "K='s3cret", 'K="s3cret', "K='s3cret' b"]
)
def test_a_malformed_line_is_named_but_not_shown(line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_env(f"GOOD=1\n{line}", "/some/.env")
    assert "/some/.env:2" in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_the_environment_wins(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("TERRET_A=file\nexport OPENAI_B=file\n")
    process = {"TERRET_A": "process", "PATH": "/bin"}
    assert load_settings(tmp_path, process) == {**process, "OPENAI_B": "file"}
    assert load_settings(tmp_path / "elsewhere", process) == process


def test_lines_of_other_programs_are_not_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("DATABASE=x\nKEY='many\nlines'\nsource other\nTERRET_A=1\n")
    assert load_settings(tmp_path, {}) == {"TERRET_A": "1"}
    (tmp_path / ".env").write_text("TERRET_A='open\n")
    with pytest.raises(ConfigError, match="env:1"):
        load_settings(tmp_path, {})


def test_a_settings_file_cannot_draw_a_key_to_its_own_address(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("OPENAI_BASE_URL=http://evil.example/v1\n")
    with pytest.raises(ConfigError, match="OPENAI_BASE_URL") as caught:
        load_settings(tmp_path, OPENAI)
    assert "sk-abc" not in str(caught.value)
    whole = {**OPENAI, "OPENAI_BASE_URL": "http://mine/v1"}
    assert load_settings(tmp_path, whole)["OPENAI_BASE_URL"] == "http://mine/v1"
    assert load_settings(tmp_path, {})["OPENAI_BASE_URL"] == "http://evil.example/v1"


def test_an_unreadable_settings_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"A=\xff")
    with pytest.raises(ConfigError):
        load_settings(tmp_path, {})


def test_connect_reads_the_settings_file_of_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("OPENAI_API_KEY=sk-file\nTERRET_CONTEXT=777\n")
    assert connect("openai/gpt").identity.context == 777


def test_openai_and_other_addresses() -> None:
    remote = connect("openai/gpt-x", settings={**OPENAI, "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"})
    assert isinstance(remote, HttpModel)
    assert (remote.identity.provider, remote.identity.name, remote.identity.dialect) == ("openai", "gpt-x", "tools")
    assert "127.0.0.1:9/v1" in repr(remote)
    plain = connect("http://user:pw@127.0.0.1:9/v1#org/model", settings={}, context=5000)
    identity = plain.identity
    assert (identity.spec, identity.name, identity.context) == ("http://127.0.0.1:9/v1#org/model", "org/model", 5000)


def test_prices_come_from_the_first_pattern_that_fits() -> None:
    settings = {**OPENAI, "TERRET_PRICES": "gpt-x=2.5/10/1.25, gpt-*=1/2"}
    first, second = connect("openai/gpt-x", settings=settings), connect("openai/gpt-y", settings=settings)
    assert (first.identity.price_in, first.identity.price_out, first.identity.price_cached) == (2.5e-6, 1e-5, 1.25e-6)
    assert (second.identity.price_in, second.identity.price_cached) == (1e-6, None)
    assert connect("openai/other", settings=settings).identity.price_in == 0


@pytest.mark.parametrize(
    ("spec", "settings"),
    [
        ("", {}),
        ("gpt-4", {}),
        ("local/", {}),
        ("openai/", OPENAI),
        ("openai/gpt", {}),
        ("http://h/v1", {}),
        ("http://h:x/v1#m", {}),
        ("http:///v1#m", {}),
        ("scripted:", {}),
        ("scripted:/no/such/file", {}),
        ("ftp://h/v1#m", {}),
        ("openai/gpt", {**OPENAI, "OPENAI_BASE_URL": "nonsense"}),
        ("openai/gpt", {**OPENAI, "TERRET_PRICES": "gpt=cheap"}),
        ("openai/gpt", {**OPENAI, "TERRET_PRICES": "gpt=1"}),
        ("openai/gpt", {**OPENAI, "TERRET_PRICES": "gpt=-1/2"}),
        ("openai/gpt", {**OPENAI, "TERRET_CONTEXT": "big"}),
        ("local/smollm2-135m", {"TERRET_LOCAL_THREADS": "0"}),
    ],
)
def test_a_spec_or_setting_that_cannot_be_used(spec: str, settings: dict[str, str]) -> None:
    with pytest.raises(ConfigError) as caught:
        connect(spec, settings=settings)
    assert "\n" not in str(caught.value)
    assert "sk-abc" not in str(caught.value)


def test_a_local_model_that_is_not_pulled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERRET_MODELS", str(tmp_path))
    assert installed("smollm2-135m") is None
    with pytest.raises(ModelNotFound, match="terret model pull smollm2-135m"):
        connect("local/smollm2-135m", settings={})
    with pytest.raises(ModelNotFound, match="did you mean smollm2-135m"):
        connect("local/smollm2-13b", settings={})
    with pytest.raises(ModelNotFound):
        connect(f"local/{tmp_path}/none.gguf", settings={})


def test_a_weights_file_of_ones_own(tmp_path: Path) -> None:
    weights = tmp_path / "mine.gguf"
    weights.write_bytes(b"abc")
    model = connect(f"local/{weights}", settings={}, context=1024)
    assert isinstance(model, LocalModel)
    assert (model.identity.name, model.identity.context) == ("mine", 1024)
    assert model.identity.digest == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_every_public_name_is_there_and_the_room_is_cheap_to_import() -> None:
    assert all(getattr(terret.models, name) is not None for name in terret.models.__all__)
    with pytest.raises(AttributeError):
        terret.models.no_such_name  # noqa: B018
    heavy = "{'httpx', 'asyncio', 'yaml', 'msgspec', 'xllamacpp'}"
    code = f"import sys, terret.models; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
