from hypothesis import given
from hypothesis import strategies as st

from terret.runtime import Machine

STEPS = st.lists(st.sampled_from(["reproduced", "attributed", "edited", "passed", "failed", "reported"]), max_size=40)


@given(STEPS)
def test_no_illegal_order_is_reachable(steps: list[str]) -> None:
    machine = Machine()
    taken: list[str] = []
    for step in steps:
        if machine.refusal(step) is None:  # type: ignore[arg-type]
            before = machine.phase
            machine.advance(step)  # type: ignore[arg-type]
            if machine.phase != before or step == "edited":
                taken.append(step)
    for at, step in enumerate(taken):
        before = taken[:at]
        if step == "edited":
            assert "reproduced" in before
            assert "attributed" in before
            since = [item for item in before if item in {"attributed", "failed"}]
            assert since[-1] == "attributed", "an edit after a failed verification needs an attribution"
        if step == "reported":
            last = [item for item in before if item in {"edited", "passed", "failed"}]
            assert last[-1] == "passed", "only fresh, passing evidence ends the work"


def test_the_straight_way_and_the_back_edge() -> None:
    machine = Machine()
    phases = [
        machine.advance(step)  # type: ignore[arg-type]
        for step in ("reproduced", "attributed", "edited", "failed", "attributed", "edited", "passed", "reported")
    ]
    assert phases == ["attribute", "fix", "verify", "attribute", "fix", "verify", "report", "done"]
    assert machine.rounds == 1
