"""What benchmarks print, and the part of the start-up benchmark that a busy machine cannot disturb."""

from __future__ import annotations

import json

import pytest

from benchmarks._report import Figure, finish
from benchmarks.startup import CORE_DISTRIBUTIONS, core_distributions

GOOD = Figure("time", 3.5, "ms", 4)
SLOW = Figure("time", 5.0, "ms", 4)
FEW = Figure("rate", 5, "/s", 10, least=True)
FREE = Figure("size", 9e9, "B")


@pytest.mark.parametrize(
    ("figures", "code"), [([GOOD, FREE], 0), ([GOOD, SLOW], 1), ([FEW], 1), ([FEW._replace(value=10)], 0)]
)
def test_a_missed_bound_is_the_exit_code(capsys, figures, code):
    assert finish("bench", figures, as_json=False) == code
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("bench: MISSED" if code else "bench: ok")
    assert all(figure.name in last for figure in figures)
    assert finish("bench", figures, as_json=True, extra={"runs": 9}) == code
    document = json.loads(capsys.readouterr().out)
    assert document["ok"] is (code == 0)
    assert document["runs"] == 9
    assert [row["ok"] for row in document["figures"]] == [figure.ok for figure in figures]


def test_the_core_install_stays_small():
    core = core_distributions()
    assert {"click", "cryptography", "msgspec", "pyyaml"} <= core
    assert len(core) <= CORE_DISTRIBUTIONS
