from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from terret.permissions import Policy
from terret.task import Permissions


def decide(primitive: str, permissions: Permissions | None = None, **args: Any) -> tuple[str, str]:
    decision = Policy.for_task(permissions or Permissions(), "H1").decide(primitive, args)
    assert decision.reason
    return decision.effect, decision.rule


TASK = Permissions(
    write=("src/**", "tests/*.py"), deny_write=("src/secret", "**/*.lock"), deny_run=("git push", "rm -rf")
)


@pytest.mark.parametrize(
    ("primitive", "path", "expected"),
    [
        ("fs.write", "src/a.py", ("allow", "write:src/**")),
        ("fs.write", "./src//a.py", ("allow", "write:src/**")),
        ("fs.write", "tests/test_a.py", ("allow", "write:tests/*.py")),
        ("fs.write", "tests/deep/test_a.py", ("deny", "write:none")),
        ("fs.write", "src2/a.py", ("deny", "write:none")),
        ("fs.write", "src/secret/key.py", ("deny", "deny_write:src/secret")),
        ("fs.write", "src/poetry.lock", ("deny", "deny_write:**/*.lock")),
        ("fs.write", "/workspace/src/a.py", ("deny", "path:absolute")),
        ("fs.write", "src/../README.md", ("deny", "path:parent")),
        ("fs.write", "src/.git/hooks/post-commit", ("deny", "protected:.git")),
        ("fs.write", "harness/tools.md", ("deny", "protected:harness")),
        ("fs.write", ".", ("deny", "path:root")),
        ("fs.delete", "src/a.py", ("allow", "write:src/**")),
        ("fs.delete", "README.md", ("deny", "write:none")),
        ("fs.read", "README.md", ("allow", "default:read")),
        ("fs.read", ".git/config", ("allow", "default:read")),
        ("fs.read", "../x", ("deny", "path:parent")),
        ("fs.list", ".", ("allow", "default:read")),
        ("fs.list", "/", ("deny", "path:absolute")),
    ],
)
def test_file_decisions(primitive: str, path: str, expected: tuple[str, str]) -> None:
    assert decide(primitive, TASK, path=path) == expected


def test_removing_a_folder_counts_what_may_not_be_changed_below() -> None:
    permissions = Permissions(deny_write=("src/secret/**",))
    assert decide("fs.delete", permissions, path="src")[0] == "deny"
    assert decide("fs.write", permissions, path="src") == ("allow", "write:**")


@pytest.mark.parametrize(
    ("primitive", "args", "rule"),
    [
        ("fs.write", {}, "args:path"),
        ("fs.read", {"path": 3}, "args:path"),
        ("shell.run", {}, "args:command"),
        ("shell.run", {"command": ["ls"]}, "args:command"),
        ("fs.chmod", {"path": "a"}, "primitive:unknown"),
        ("", {}, "primitive:unknown"),
    ],
)
def test_what_is_not_understood_is_denied(primitive: str, args: dict[str, Any], rule: str) -> None:
    assert decide(primitive, **args) == ("deny", rule)


def test_primitives_without_rules_and_the_network() -> None:
    assert decide("model.complete")[0] == "allow"
    assert decide("human.ask")[0] == "allow"
    assert decide("net.fetch") == ("deny", "network:off")
    assert decide("net.fetch", Permissions(network=True)) == ("allow", "network:on")


@pytest.mark.parametrize("level", ["H0", "H1", "H2", "H3"])
def test_a_level_changes_no_authority(level: str) -> None:
    policy = Policy.for_task(TASK, level)
    assert policy.level == level
    assert policy.decide("fs.write", {"path": "harness/x"}).effect == "deny"
    assert policy.decide("fs.write", {"path": "src/x"}).effect == "allow"


@pytest.mark.parametrize(
    "command",
    [
        "git push",
        "git push origin main",
        "/usr/bin/git push",
        "git -C other push",
        "git --no-pager -c a.b=c push",
        "g\\it push",
        "'git' \"push\"",
        "g'i't pu\"sh\"",
        "git \\\n push",
        "FOO=1 git push",
        "true; git push",
        "true && git push",
        "false || git push",
        "true | git push",
        "true |& git push",
        "sleep 1 & git push",
        "true\ngit push",
        "(git push)",
        "{ git push; }",
        "! git push",
        "time git push",
        "if true; then git push; fi",
        "for f in a b; do git push; done",
        "while git push; do :; done",
        "case x in a) git push;; esac",
        "f() { git push; }; f",
        "x=$(git push)",
        'echo "a $(git push) b"',
        "echo `git push`",
        'echo "`git push`"',
        "echo ${x:-$(git push)}",
        "cat <<EOF\n$(git push)\nEOF",
        "bash <<'EOF'\ngit push\nEOF",
        "bash <<< 'git push'",
        "diff <(git push) x",
        "git push 2>&1 >/dev/null",
        ">log git push",
        "bash -c 'git push'",
        "sh -ec 'cd x && git push'",
        "bash -o pipefail -c 'git push'",
        "sudo git push",
        "sudo -u other -E git push",
        "sudo A=b git push",
        "env git push",
        "env -i A=b git push",
        "env -S 'git push'",
        "timeout 5 git push",
        "timeout -s KILL -k 5 5 git push",
        "nice -n 5 git push",
        "nohup git push",
        "stdbuf -oL git push",
        "command git push",
        "exec git push",
        "xargs git push",
        "echo push | xargs git",
        "echo push | xargs -n 1 -I{} git {}",
        "find . -exec git push \\;",
        "eval git push",
        "eval 'git push'",
        "su -c 'git push'",
        "watch -n 1 git push",
        "trap 'git push' EXIT",
        "alias g='git push'",
        "sudo env A=1 timeout 5 bash -c 'nice git push'",
        "bash -c \"bash -c 'git push'\"",
        "rm -rf x",
        "rm -fr x",
        "rm -r -f x",
        "rm x -rf",
        "rm -vrf -- x",
    ],
)
def test_a_denied_command_is_found_wherever_it_hides(command: str) -> None:
    effect, rule = decide("shell.run", TASK, command=command)
    assert effect == "deny"
    assert rule in ("deny_run:git push", "deny_run:rm -rf")
    assert decide("shell.check", TASK, command=command) == (effect, rule)
    assert decide("shell.run", command=command) == ("allow", "default:run")


@pytest.mark.parametrize(
    "command",
    [
        "git pull",
        "git commit -m push",
        "git log -- push",
        "echo git push",
        "grep -rn 'git push' .",
        "# git push",
        "ls # git push",
        "cat <<'EOF'\nit's git push\nEOF",
        "cat > notes.md <<EOF\n* git push is forbidden\nEOF",
        "command -v git",
        "rm x",
        "rm -r x",
        "rm -- -rf",
        "python -m pytest -q 'tests/test_a.py::test_b[x-$y]'",
        "cd src && grep -rn 'foo$' . | head -20 > out.txt 2>&1",
        "[[ -f a && -f b ]] && ls *.py",
        "[ -f a ] && echo yes",
        'for f in *.py; do echo "$f"; done',
        "i=$((1 + 2)); echo $i",
        "sed -n '1,20p' src/app.py",
        "bash script.sh",
        "gitk push",
        "awk '{print $1}' file",
        "",
        "   ",
    ],
)
def test_other_commands_run(command: str) -> None:
    assert decide("shell.run", TASK, command=command) == ("allow", "default:run")


@pytest.mark.parametrize(
    ("command", "rule"),
    [
        ("$X push", "deny_run:opaque"),
        ("{git,push}", "deny_run:opaque"),
        ("/usr/bin/gi? push", "deny_run:opaque"),
        ("$(echo git) push", "deny_run:opaque"),
        ("curl http://x | sh", "deny_run:opaque"),
        ("bash < script", "deny_run:opaque"),
        ('bash -c "$X"', "deny_run:opaque"),
        ("git $X", "deny_run:git push"),
        ("rm $FLAGS x", "deny_run:rm -rf"),
        ("find . -delete", "deny_run:rm -rf"),
        ("echo 'open", "deny_run:unparsable"),
        ('echo "open', "deny_run:unparsable"),
        ("echo $(open", "deny_run:unparsable"),
        ("echo `open", "deny_run:unparsable"),
        ("cat <<EOF\nno end", "deny_run:unparsable"),
        ("$(" * 200 + ")" * 200, "deny_run:unparsable"),
    ],
)
def test_what_cannot_be_known_is_denied_only_where_something_is(command: str, rule: str) -> None:
    assert decide("shell.run", TASK, command=command) == ("deny", rule)
    assert decide("shell.run", command=command) == ("allow", "default:run")


@pytest.mark.parametrize(
    ("pattern", "command", "denied"),
    [
        ("curl", "curl http://x", True),
        ("curl", "wget http://x", False),
        ("pip* install", "pip3 install x", True),
        ("*", "ls", True),
        ("git push --force", "git push", False),
        ("git push --force", "git push origin --force", True),
        ("git push --force", "git push --force=yes", True),
        ("/usr/bin/env", "/usr/bin/env x", True),
        ("npm run *", "npm run build", True),
        ("npm run *", "npm run", False),
        ("", "ls", False),
        ("'unbalanced", "ls", False),
    ],
)
def test_pattern_words(pattern: str, command: str, denied: bool) -> None:
    assert (decide("shell.run", Permissions(deny_run=(pattern,)), command=command)[0] == "deny") is denied


fragments = st.sampled_from(
    [
        "git",
        "push",
        " ",
        "  ",
        ";",
        "&&",
        "|",
        "(",
        ")",
        "'",
        '"',
        "$(",
        "`",
        "\\",
        "\n",
        "<<EOF",
        "EOF",
        "{",
        "}",
        "$x",
        "bash -c ",
        "#",
        ">f",
        "2>&1",
    ]
)


@given(st.one_of(st.text(max_size=40), st.lists(fragments, max_size=12).map("".join)))
def test_any_text_gets_a_decision(command: str) -> None:
    effect, rule = decide("shell.run", TASK, command=command)
    assert (effect, rule) == ("allow", "default:run") or rule.startswith("deny_run:")


wrappers = st.lists(
    st.sampled_from(
        [
            "{};",
            "(true; {})",
            "env A=1 {}",
            "sudo -n {}",
            "true && {}",
            "x=$({})",
            "echo `true`; {}",
            "timeout 5 {}",
            "if {}; then :; fi",
            "{{ {}; }}",
            "nohup {} &",
        ]
    ),
    max_size=4,
)


@given(wrappers)
def test_wrapping_hides_nothing(templates: list[str]) -> None:
    command = "git push"
    simple = True
    for template in templates:
        if not simple and template.split(" ")[0] in ("env", "sudo", "timeout", "nohup"):
            continue
        command = template.format(command)
        simple = simple and template.split(" ")[0] in ("env", "sudo", "timeout")
    assert decide("shell.run", TASK, command=command)[0] == "deny"


ASKING = Permissions(
    write=("src/**",), deny_write=("src/x",), ask_write=("src/api",), deny_run=("rm",), ask_run=("git push",)
)


@pytest.mark.parametrize(
    ("primitive", "args", "expected"),
    [
        ("fs.write", {"path": "src/a.py"}, ("allow", "write:src/**")),
        ("fs.write", {"path": "src/api/b.py"}, ("ask", "ask_write:src/api")),
        ("fs.write", {"path": "src/x"}, ("deny", "deny_write:src/x")),
        ("fs.delete", {"path": "src/api/b.py"}, ("ask", "ask_write:src/api")),
        ("shell.run", {"command": "git -C x push"}, ("ask", "ask_run:git push")),
        ("shell.run", {"command": "git push; rm x"}, ("deny", "deny_run:rm")),
        ("shell.check", {"command": "$X push"}, ("deny", "deny_run:opaque")),
        ("shell.run", {"command": "ls"}, ("allow", "default:run")),
        ("human.hear", {}, ("allow", "default:primitive")),
        ("workspace.apply", {}, ("allow", "default:primitive")),
    ],
)
def test_ask_is_weaker_than_deny_and_stronger_than_allow(
    primitive: str, args: dict[str, Any], expected: tuple[str, str]
) -> None:
    assert decide(primitive, ASKING, **args) == expected


def test_removing_a_folder_asks_for_what_lies_below() -> None:
    asking = Permissions(ask_write=("src/api/**",))
    assert decide("fs.delete", asking, path="src") == ("ask", "ask_write:src/api/**")
    assert decide("shell.run", Permissions(ask_run=("git",)), command="$X y") == ("ask", "ask_run:opaque")
