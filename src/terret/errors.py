"""Every error terret raises, as one tree.

Each class carries a stable ``code`` (printed in brackets, safe to match on) and the process ``exit_code`` the
command line returns for it. A message names what is wrong; ``value`` the offending value; ``where`` the file,
line or path; ``hint`` the next action.

```
TerretError                     E_TERRET            1
├── InputError                  E_INPUT             2   the caller's input is wrong
│   ├── TaskError               E_TASK              2
│   ├── ConfigError             E_CONFIG            2
│   ├── RepositoryError         E_REPOSITORY        2
│   ├── SuiteError              E_SUITE             2
│   ├── EpisodeNotFound         E_EPISODE           2
│   └── MissingExtra            E_EXTRA             2   an optional dependency is not installed
├── InfrastructureError         E_INFRASTRUCTURE    3   never counted as the agent's failure
│   ├── ModelError              E_MODEL             3
│   │   ├── ModelUnavailable    E_MODEL_UNAVAILABLE 3   refused, unreachable, 5xx after retries
│   │   ├── ModelTimeout        E_MODEL_TIMEOUT     3
│   │   ├── ModelRateLimited    E_MODEL_RATE        3
│   │   ├── ModelAuth           E_MODEL_AUTH        3
│   │   ├── ModelNotFound       E_MODEL_NOT_FOUND   3
│   │   ├── ModelRequestInvalid E_MODEL_REQUEST     3
│   │   ├── ModelContextExceeded E_MODEL_CONTEXT    3
│   │   ├── ModelReplyInvalid   E_MODEL_REPLY       3   the endpoint answered with something else
│   │   └── ScriptExhausted     E_MODEL_SCRIPT      3   a scripted or replayed model has no reply left
│   ├── SandboxError            E_SANDBOX           3
│   │   └── SandboxUnavailable  E_SANDBOX_UNAVAILABLE 3
│   └── DownloadError           E_DOWNLOAD          3
│       └── DigestMismatch      E_DIGEST            3
├── JournalError                E_JOURNAL           4
│   ├── JournalCorrupt          E_JOURNAL_CORRUPT   4
│   ├── JournalBusy             E_JOURNAL_BUSY      4   another process owns the episode
│   ├── JournalWriteFailed      E_JOURNAL_WRITE     4   disk full or read-only
│   └── Diverged                E_DIVERGED          4   a resumed run did not repeat its own record
├── PackageError                E_PACKAGE           10  missing or unreadable part of a package
│   ├── EventEdited             E_PKG_EDITED        11
│   ├── EventMissing            E_PKG_DELETED       12
│   ├── EventReordered          E_PKG_REORDERED     13
│   ├── EventInserted           E_PKG_INSERTED      14
│   ├── TruncatedBeforeAnchor   E_PKG_ANCHOR        15
│   ├── TruncatedTail           E_PKG_TAIL          16
│   ├── BlobMismatch            E_PKG_BLOB          17
│   ├── PatchMismatch           E_PKG_PATCH         18
│   ├── DerivedMismatch         E_PKG_TRACE         19
│   ├── KeyMismatch             E_PKG_KEY           20
│   ├── SignatureInvalid        E_PKG_SIGNATURE     21
│   └── RerunMismatch           E_PKG_RERUN         22
└── BudgetExhausted             E_BUDGET            1
```
"""

from __future__ import annotations

from typing import ClassVar


class TerretError(Exception):
    """Root of the tree.

    Args:
        message: What is wrong, as one sentence without the value.
        value: The offending value; shown with ``repr`` and cut at 120 characters.
        where: File, line, JSON path, event or address the error is about.
        hint: What to do next.
    """

    code: ClassVar[str] = "E_TERRET"
    exit_code: ClassVar[int] = 1

    def __init__(
        self, message: str, *, value: object = None, where: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.value = value
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        """One line: where, message, value, hint and code."""
        parts: list[str] = []
        if self.where:
            parts.append(f"{self.where}: ")
        parts.append(self.message)
        if self.value is not None:
            shown = repr(self.value)
            parts.append(f" (got {shown if len(shown) <= 120 else shown[:117] + '...'})")
        if self.hint:
            parts.append(f"; {self.hint}")
        parts.append(f" [{self.code}]")
        return " ".join("".join(parts).split("\n"))

    def to_dict(self) -> dict[str, object]:
        """The error as JSON-ready data, the shape every ``--json`` command prints."""
        value = self.value if isinstance(self.value, str | int | float | bool | None) else repr(self.value)
        return {
            "error": self.code,
            "message": self.message,
            "value": value,
            "where": self.where,
            "hint": self.hint,
            "exit_code": self.exit_code,
        }


class InputError(TerretError):
    """The caller gave something terret cannot use."""

    code = "E_INPUT"
    exit_code = 2


class TaskError(InputError):
    """A task file is malformed or inconsistent."""

    code = "E_TASK"


class ConfigError(InputError):
    """An option, environment variable or settings file has a bad value."""

    code = "E_CONFIG"


class RepositoryError(InputError):
    """The repository or commit a task names cannot be used."""

    code = "E_REPOSITORY"


class SuiteError(InputError):
    """A suite is unknown or its data folder is not what it should be."""

    code = "E_SUITE"


class EpisodeNotFound(InputError):
    """No episode answers to the given name."""

    code = "E_EPISODE"


class MissingExtra(InputError):
    """A feature needs an optional dependency that is not installed."""

    code = "E_EXTRA"


class InfrastructureError(TerretError):
    """The world around the agent failed; never graded as the agent's failure."""

    code = "E_INFRASTRUCTURE"
    exit_code = 3


class ModelError(InfrastructureError):
    """A model endpoint failed.

    ``retryable`` says whether sending the same request again may help.
    """

    code = "E_MODEL"
    retryable: ClassVar[bool] = False


class ModelUnavailable(ModelError):
    """The endpoint refused, was unreachable, or answered 5xx after all retries."""

    code = "E_MODEL_UNAVAILABLE"
    retryable = True


class ModelTimeout(ModelError):
    """The endpoint did not answer in time."""

    code = "E_MODEL_TIMEOUT"
    retryable = True


class ModelRateLimited(ModelError):
    """The endpoint answered 429 after all retries."""

    code = "E_MODEL_RATE"
    retryable = True


class ModelAuth(ModelError):
    """The endpoint rejected the credentials."""

    code = "E_MODEL_AUTH"


class ModelNotFound(ModelError):
    """The endpoint or the catalogue does not know the model."""

    code = "E_MODEL_NOT_FOUND"


class ModelRequestInvalid(ModelError):
    """The endpoint rejected the request as invalid."""

    code = "E_MODEL_REQUEST"


class ModelContextExceeded(ModelError):
    """The prompt does not fit the model's context window."""

    code = "E_MODEL_CONTEXT"


class ModelReplyInvalid(ModelError):
    """The endpoint answered with something that is not a completion."""

    code = "E_MODEL_REPLY"
    retryable = True


class ScriptExhausted(ModelError):
    """A scripted or replayed model was asked for more replies than it has."""

    code = "E_MODEL_SCRIPT"


class SandboxError(InfrastructureError):
    """The sandbox itself failed; a command that merely exits non-zero is not an error."""

    code = "E_SANDBOX"


class SandboxUnavailable(SandboxError):
    """This machine cannot provide the isolation that was asked for."""

    code = "E_SANDBOX_UNAVAILABLE"


class DownloadError(InfrastructureError):
    """No source of a model could be downloaded."""

    code = "E_DOWNLOAD"


class DigestMismatch(DownloadError):
    """A downloaded file does not have the catalogue's digest."""

    code = "E_DIGEST"


class JournalError(TerretError):
    """The journal could not be read or written."""

    code = "E_JOURNAL"
    exit_code = 4


class JournalCorrupt(JournalError):
    """The stored journal is damaged beyond its torn tail."""

    code = "E_JOURNAL_CORRUPT"


class JournalBusy(JournalError):
    """Another process owns the episode."""

    code = "E_JOURNAL_BUSY"


class JournalWriteFailed(JournalError):
    """An event could not be made durable (disk full, read-only file system)."""

    code = "E_JOURNAL_WRITE"


class Diverged(JournalError):
    """A resumed or replayed run did something its own record does not show."""

    code = "E_DIVERGED"


class PackageError(TerretError):
    """An episode package has a missing or unreadable part."""

    code = "E_PACKAGE"
    exit_code = 10


class EventEdited(PackageError):
    """An event's content does not have its hash."""

    code = "E_PKG_EDITED"
    exit_code = 11


class EventMissing(PackageError):
    """Events are missing from the middle of the chain."""

    code = "E_PKG_DELETED"
    exit_code = 12


class EventReordered(PackageError):
    """Events are all present but out of order."""

    code = "E_PKG_REORDERED"
    exit_code = 13


class EventInserted(PackageError):
    """The journal holds an event that is not part of the chain."""

    code = "E_PKG_INSERTED"
    exit_code = 14


class TruncatedBeforeAnchor(PackageError):
    """The journal ends before an event that a signed anchor vouches for."""

    code = "E_PKG_ANCHOR"
    exit_code = 15


class TruncatedTail(PackageError):
    """The journal ends after its last anchor but before the signed head."""

    code = "E_PKG_TAIL"
    exit_code = 16


class BlobMismatch(PackageError):
    """A blob is missing, or its content does not have its name."""

    code = "E_PKG_BLOB"
    exit_code = 17


class PatchMismatch(PackageError):
    """patch.diff is not the patch the journal recorded."""

    code = "E_PKG_PATCH"
    exit_code = 18


class DerivedMismatch(PackageError):
    """A trace, record or report differs from what the journal yields."""

    code = "E_PKG_TRACE"
    exit_code = 19


class KeyMismatch(PackageError):
    """The package is signed with a key other than the expected one."""

    code = "E_PKG_KEY"
    exit_code = 20


class SignatureInvalid(PackageError):
    """The signature over the head or an anchor does not verify."""

    code = "E_PKG_SIGNATURE"
    exit_code = 21


class RerunMismatch(PackageError):
    """Re-applying the patch and re-running the checks gave another result."""

    code = "E_PKG_RERUN"
    exit_code = 22


class BudgetExhausted(TerretError):
    """A reservation does not fit in what is left of the budget.

    ``resource`` is one of ``steps``, ``model_calls``, ``tokens``, ``wall`` and ``cost``.
    """

    code = "E_BUDGET"

    def __init__(self, resource: str, *, limit: float, used: float, asked: float) -> None:
        super().__init__(
            f"the {resource} budget is exhausted",
            value=f"{used:g} used + {asked:g} asked > {limit:g}",
            hint=f"raise budget.{resource} in the task or pass --budget {resource}=N",
        )
        self.resource = resource
        self.limit = limit
        self.used = used
        self.asked = asked
