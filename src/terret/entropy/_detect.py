"""Every detector over one change, in a fixed order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from terret.entropy._architecture import architecture
from terret.entropy._burden import Burden
from terret.entropy._change import Change
from terret.entropy._comments import remarks
from terret.entropy._contracts import Rules
from terret.entropy._dependencies import dependencies
from terret.entropy._docstrings import docstrings
from terret.entropy._documents import documents
from terret.entropy._duplicates import duplicates
from terret.entropy._format import formatting
from terret.entropy._prints import prints
from terret.entropy._residue import residue
from terret.entropy._scope import scope
from terret.entropy._settings import loosened
from terret.entropy._symbols import symbols
from terret.entropy._tests import tests
from terret.entropy._vanished import Vanished
from terret.entropy._workflow import workflow


def detect(
    change: Change, state: Mapping[str, Any] | None, rules: Rules, weakened: Sequence[Mapping[str, Any]] | None
) -> Iterator[Burden]:
    """All burdens, some of them twice."""
    gone = Vanished(change)
    yield from formatting(change)
    yield from prints(change)
    yield from remarks(change)
    yield from symbols(change)
    yield from duplicates(change)
    yield from documents(change, gone, state)
    yield from docstrings(change)
    yield from dependencies(change)
    yield from tests(change, gone, weakened)
    yield from residue(change)
    yield from architecture(change, rules)
    yield from workflow(change, gone)
    yield from loosened(change)
    yield from scope(change)
