from hypothesis import given
from hypothesis import strategies as st

from terret.models import Action
from terret.runtime import Repetition
from terret.tools import ToolResult


def _note(repetition: Repetition, name: str, text: str = "same") -> None:
    repetition.note(Action("run", {"command": name}), ToolResult(text))


def test_the_same_step_again_warns_and_then_stops() -> None:
    repetition = Repetition()
    _note(repetition, "ls")
    assert not repetition.warned
    _note(repetition, "ls")
    assert repetition.warned
    assert not repetition.stuck
    _note(repetition, "ls")
    _note(repetition, "ls")
    assert repetition.stuck


def test_a_cycle_of_two_is_a_circle_too() -> None:
    repetition = Repetition()
    for _ in range(4):
        _note(repetition, "a")
        _note(repetition, "b")
    assert repetition.stuck


def test_another_result_is_progress() -> None:
    repetition = Repetition()
    for number in range(20):
        _note(repetition, "pytest", f"{number} failed")
        assert not repetition.warned


@given(st.lists(st.sampled_from("abcdefgh"), max_size=60))
def test_stuck_means_a_short_cycle_at_the_end(names: list[str]) -> None:
    repetition = Repetition()
    for name in names:
        _note(repetition, name)
    text = "".join(names)
    circles = any(len(text) >= 4 * n and text.endswith(text[-n:] * 4) for n in range(1, 5))
    assert repetition.stuck == circles
