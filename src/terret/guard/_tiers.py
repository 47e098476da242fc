"""Tiers of paths, domains and programs."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import urlsplit

SECRET_PATHS: Final = re.compile(
    r"(?:^|[\s/'\"=(<])(?:\.env(?:\.(?!example|sample|template|dist)[\w-]+)?|\.netrc|\.pgpass|\.npmrc|\.pypirc|"
    r"\.git-credentials|\.vault[-_]token|"
    r"id_(?:rsa|dsa|ecdsa|ed25519)|\.kube/config|\.docker/config\.json|\.htpasswd|credentials(?:\.json)?|"
    r"\.?secrets?(?:[_.-][\w-]+)*(?:\.(?:ya?ml|json|toml|txt|env))?)(?=$|[\s'\")>;|&,])"
    r"|(?:^|[\s/'\"~])\.(?:ssh|aws|gnupg|azure|config/gcloud)(?:/|\b)"
    r"|/proc/[\w*]+/(?:environ|mem|maps)\b|/etc/(?:shadow|sudoers|gshadow)\b|(?<![\w.])/root(?:/|\b)|\.pem\b|"
    r"\.(?:p12|pfx|keystore|jks)\b",
)
"""Paths that hold credentials, alone or inside a command."""

PERSISTENT_PATHS: Final = re.compile(
    r"(?:^|[\s/'\"~])(?:\.git/(?:hooks|config)|\.husky|\.(?:bash|zsh)(?:rc|_profile|_login|env)|\.profile|"
    r"\.zprofile|\.inputrc|"
    r"\.config/(?:autostart|systemd|fish)|\.vscode/(?:tasks|settings|launch)\.json|\.idea|\.claude|\.mcp\.json|\.envrc|"
    r"sitecustomize\.py|usercustomize\.py|authorized_keys)(?=$|[\s/'\")>;|&,])"
    r"|/etc/(?:cron|rc|profile|ld\.so|init|systemd|pam)|/var/spool/cron|\bcrontab\s+(?!-l)|\bsystemctl\s+(?:enable|"
    r"link)\b"
    r"|\bgit\s+config\b[^\n;|&]*\bcore\.hookspath\b",
    re.IGNORECASE,
)
"""Paths that other programs run or obey later, alone or inside a command."""

SUPPLY_PATHS: Final = re.compile(
    r"(?:^|/)(?:requirements[\w.-]*\.(?:txt|in)|constraints[\w.-]*\.txt|pyproject\.toml|setup\.(?:py|cfg)|Pipfile|"
    r"environment\.ya?ml|"
    r"package\.json|\.npmrc|Gemfile|Cargo\.toml|go\.mod|pom\.xml|build\.gradle(?:\.kts)?|Makefile|Dockerfile|"
    r"tox\.ini|noxfile\.py|"
    r"conftest\.py|\.github/workflows/[\w.-]+|\.gitlab-ci\.yml|\.pre-commit-config\.yaml|__init__\.py)$"
)
"""Paths through which foreign code enters: what stands there must not come from untrusted instructions."""

ENVIRONMENT_DUMP: Final = re.compile(
    r"(?:^|[;|&(`\n]\s*)(?:sudo\s+)?(?:env|printenv|export(?:\s+-p)?|set|declare\s+-[xp]+|compgen\s+-e)\s*(?:$|[;|"
    r"&>)`\n])|\bprintenv\b|\bos\.environ\b(?!\s*\[\s*['\"](?:PATH|HOME|LANG|PWD|TMPDIR|PYTHONPATH)['\"])"
    r"|\bprocess\.env\b|\bos\.getenv\s*\(|\bENV\.(?:each|to_h|inspect)\b"
)
SECRET_NAME: Final = re.compile(
    r"\$\{?!?\w*(?:SECRET|TOKEN|PASSW|API_?KEY|PRIVATE|CREDENTIAL|ACCESS_KEY|DATABASE_URL|DSN|AUTH)\w*", re.IGNORECASE
)
EGRESS: Final = re.compile(
    r"(?:^|[;|&(`\n]\s*|\b(?:sudo|xargs|exec|nohup|time)\s+|-m\s+)(?P<program>pip3?\s+(?:install|download)|"
    r"uv\s+(?:pip|add|tool)|poetry\s+add|"
    r"npm\s+(?:i|install|add|publish)|npx|yarn\s+add|pnpm\s+add|gem\s+install|cargo\s+(?:install|add|publish)|"
    r"go\s+(?:get|install)|"
    r"apt(?:-get)?\s+install|apk\s+add|brew\s+install|conda\s+install|curl|wget|nc|ncat|netcat|socat|telnet|ssh|scp|"
    r"sftp|rsync|ftp|"
    r"git\s+(?:push|clone|fetch|pull|remote\s+add)|docker\s+(?:run|pull|push)|nslookup|dig)\b"
)
"""Programs that reach for the network."""

RISKY_SUFFIXES: Final = [
    "bit.ly",
    "tinyurl.com",
    "t.co",
    "goo.gl",
    "is.gd",
    "ow.ly",
    "cutt.ly",
    "rebrand.ly",
    "shorturl.at",
    "pastebin.com",
    "hastebin.com",
    "transfer.sh",
    "file.io",
    "webhook.site",
    "requestbin.com",
    "requestbin.net",
    "pipedream.net",
    "ngrok.io",
    "ngrok-free.app",
    "ngrok.app",
    "serveo.net",
    "interact.sh",
    "oast.fun",
    "oast.live",
    "burpcollaborator.net",
    "onion",
    "trycloudflare.com",
]
"""Shorteners, paste sites, request bins and tunnels: nobody can see where they lead."""

_HOST = re.compile(r"(?:(?:https?|ftp|wss?)://(?:\[[0-9a-fA-F:.]+\])?|\bwww\.)[^\s\"'<>)\]},;]*", re.IGNORECASE)
_LOCAL_NAMES = ("localhost", "metadata", "metadata.google.internal", "host.docker.internal")


def hosts_of(text: str) -> Iterator[str]:
    """The hosts of the addresses in a text, lower case."""
    for match in _HOST.finditer(text):
        found = match.group().rstrip(".,!?")
        try:
            host = urlsplit(found if "://" in found else f"http://{found}").hostname
        except ValueError:
            continue
        if host:
            yield host.rstrip(".").lower()


def is_private(host: str) -> bool:
    """Whether a host is this machine or its network, in any spelling of the address."""
    if host in _LOCAL_NAMES or host.endswith((".internal", ".local", ".localhost", ".lan", ".home.arpa")):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        address = _odd_address(host)
    if address is None:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return not (mapped or address).is_global


def _odd_address(host: str) -> ipaddress.IPv4Address | None:
    """Spellings that browsers and libc accept: one number, hexadecimal or octal parts, fewer than four parts."""
    parts = host.split(".")
    if not 1 <= len(parts) <= 4 or not all(re.fullmatch(r"0[xX][0-9a-fA-F]+|\d+", part) for part in parts):
        return None
    numbers = [
        int(part, 16 if part[:2] in {"0x", "0X"} else 8 if part[0] == "0" and len(part) > 1 else 10)
        if not re.fullmatch(r"0\d*[89]\d*", part)
        else int(part)
        for part in parts
    ]
    value = numbers[-1]
    for place, number in enumerate(numbers[:-1]):
        value += number << (24 - 8 * place)
    return ipaddress.IPv4Address(value) if 0 <= value < 2**32 else None


def matches(host: str, suffixes: Iterable[str]) -> str | None:
    """The suffix a host is or lies below, or ``None``."""
    return next((suffix for suffix in suffixes if host == suffix or host.endswith("." + suffix)), None)
