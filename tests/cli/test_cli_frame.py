"""Help, usage errors, the one error handler, and what importing costs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from terret.cli import main

COMMANDS = (
    "run",
    "show",
    "verify",
    "resume",
    "model",
    "task",
    "policy",
    "suite",
    "doctor",
    "demo",
    "completion",
    "init",
    "export",
    "ladder",
)


def python(code: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=50, check=False, env={**os.environ, **env}
    )


@pytest.mark.parametrize("args", [[], ["--help"], ["-h"], ["help"]])
def test_help_lists_every_command(cli, args):
    ran = cli(*args)
    assert (ran.code, ran.err) == (0, "")
    assert all(f"\n  {name} " in ran.out for name in COMMANDS)


def test_help_behind_other_options_is_the_same_text(cli):
    assert cli("--help", "--help").out == cli("--help").out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_and_takes_the_output_options(cli, name):
    ran = cli(name, "--help")
    assert ran.code == 0
    assert ran.out.startswith(f"Usage: terret {name} ")
    if "COMMAND [ARGS]" not in ran.out:
        assert "--json" in ran.out
        assert "--quiet" in ran.out


@pytest.mark.parametrize(
    ("group", "name"),
    [("model", n) for n in ("list", "pull", "rm")]
    + [("task", n) for n in ("new", "lint", "schema")]
    + [("suite", n) for n in ("list", "validate", "run")],
)
def test_every_subcommand_takes_the_output_options(cli, group, name):
    ran = cli(group, name, "--help")
    assert ran.code == 0
    assert "--json" in ran.out
    assert "--quiet" in ran.out


def test_version(cli):
    import terret

    assert cli("--version").out == f"terret {terret.__version__}\n"


@pytest.mark.parametrize(
    ("args", "part"),
    [
        (["nope"], "no such command 'nope'"),
        (["run"], "missing argument 'TASK'"),
        (["run", "x.yaml"], "missing option '--model'"),
        (["run", "--modle", "x"], "no such option"),
        (["run", "x.yaml", "--model", "m", "--tier", "docker"], "docker"),
        (["run", "x.yaml", "--model", "m", "--seed", "one"], "one"),
        (["model"], "missing command"),
        (["task", "bake"], "no such command 'bake'"),
        (["completion", "csh"], "csh"),
        (["suite", "run", "x", "--model", "m", "--jobs", "0"], "0"),
    ],
)
def test_usage_errors_are_one_line_and_exit_2(cli, args, part):
    ran = cli(*args)
    assert ran.code == 2
    assert ran.out == ""
    assert ran.err.count("\n") == 1
    assert ran.err.startswith("terret: ")
    assert part in ran.err
    assert "--help [E_USAGE]" in ran.err


def test_errors_are_json_on_stdout_when_asked(cli):
    ran = cli("run", "missing.yaml", "--model", "m", "--json")
    assert ran.code == 2
    assert ran.document["error"] == "E_TASK"
    assert ran.document["exit_code"] == 2
    assert ran.err.startswith("terret: ")
    assert cli("nope", "--json").document["error"] == "E_USAGE"


def test_json_after_a_double_dash_is_an_argument(cli):
    assert cli("show", "--", "--json").out == ""


@pytest.fixture
def broken(monkeypatch):
    """Makes ``terret completion bash`` raise what a test wants."""

    def use(error: BaseException) -> None:
        def fail(shell: str) -> None:
            raise error

        monkeypatch.setattr("click.shell_completion.get_completion_class", fail)

    return use


def test_an_unexpected_exception_is_one_line_and_a_crash_report(cli, broken, own_folders):
    broken(RuntimeError("secret detail"))
    ran = cli("completion", "bash")
    assert ran.code == 70
    assert ran.err.count("\n") == 1
    assert "[E_BUG]" in ran.err
    assert "Traceback" not in ran.err
    (report,) = (own_folders / "state" / "terret" / "crashes").iterdir()
    assert str(report) in ran.err
    assert report.stat().st_mode & 0o077 == 0
    text = report.read_text()
    assert "RuntimeError: secret detail" in text
    assert "terret completion bash" in text


def test_a_crash_report_that_cannot_be_written_still_gives_one_line(cli, broken, monkeypatch, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(blocked))
    broken(RuntimeError("x"))
    ran = cli("completion", "bash", "--json")
    assert ran.code == 70
    assert ran.document["error"] == "E_BUG"
    assert "raised at" in ran.err


def test_a_full_disk_is_the_machine_s_fault(cli, broken):
    broken(OSError(28, "No space left on device", "/big"))
    ran = cli("completion", "bash")
    assert ran.code == 3
    assert "/big" in ran.err
    assert "[E_INFRASTRUCTURE]" in ran.err


def test_interrupt_exits_130(cli, broken):
    broken(KeyboardInterrupt())
    ran = cli("completion", "bash")
    assert ran.code == 130
    assert ran.err.count("\n") == 1


@pytest.mark.parametrize("args", [["--help"], ["completion", "bash"], ["task", "schema"], ["nope", "--json"]])
def test_a_closed_pipe_is_silent(args):
    reader, writer = os.pipe()
    os.close(reader)
    ran = subprocess.run(
        [sys.executable, "-m", "terret", *args], stdout=writer, stderr=subprocess.PIPE, timeout=50, check=False
    )
    os.close(writer)
    assert b"Traceback" not in ran.stderr
    assert b"BrokenPipe" not in ran.stderr
    assert ran.returncode in (2, 141, -signal.SIGPIPE)


def test_importing_terret_imports_nothing_heavy():
    heavy = ("asyncio", "click", "cryptography", "httpx", "inspect", "msgspec", "rich", "sqlite3", "yaml")
    code = f"import sys, terret, terret.cli; print([m for m in {heavy!r} if m in sys.modules])"
    assert python(code).stdout == "[]\n"


def test_help_does_not_import_click():
    code = "import sys; from terret.cli import main; main(['--help']); print('click' in sys.modules)"
    assert python(code).stdout.endswith("False\n")


def test_a_command_s_help_imports_no_room():
    code = (
        "import sys; from terret.cli import main; main(['verify', '--help'])\n"
        "print(sorted(m for m in sys.modules if m.startswith('terret.') and not m.startswith('terret.cli')))"
    )
    assert python(code).stdout.endswith("['terret.errors']\n")


def test_output_survives_a_terminal_without_unicode(tmp_path):
    (tmp_path / "täsk.yaml").write_text("name: [\n")
    ran = subprocess.run(
        [sys.executable, "-m", "terret", "task", "lint", str(tmp_path / "täsk.yaml")],
        capture_output=True,
        timeout=50,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
    )
    assert ran.returncode == 2
    assert b"sk.yaml" in ran.stdout
    assert ran.stderr == b""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(cli, shell):
    ran = cli("completion", shell)
    assert ran.code == 0
    assert "_TERRET_COMPLETE" in ran.out
    assert cli("completion", shell, "--json").document["script"] == ran.out.rstrip("\n")


def test_completion_completes_commands_and_options(monkeypatch, capsys):
    for words, expected in (("terret ver", "verify"), ("terret verify --no-r", "--no-rerun")):
        monkeypatch.setenv("_TERRET_COMPLETE", "bash_complete")
        monkeypatch.setenv("COMP_WORDS", words)
        monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - 1))
        assert main([]) == 0
        assert expected in capsys.readouterr().out


def test_documented_exit_codes_are_the_real_ones():
    from terret import errors

    text = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()
    for error in vars(errors).values():
        if isinstance(error, type) and issubclass(error, errors.PackageError):
            assert f"| {error.exit_code} |" in text, error
            assert error.code in text
    for code in ("E_USAGE", "E_INTERRUPTED", "E_BUG"):
        assert code in text


def test_the_module_runs(tmp_path):
    ran = subprocess.run(
        [sys.executable, "-m", "terret", "nope", "--json"], capture_output=True, text=True, timeout=50, check=False
    )
    assert ran.returncode == 2
    assert json.loads(ran.stdout)["exit_code"] == 2
