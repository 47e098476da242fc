import pytest
from hypothesis import given
from hypothesis import strategies as st

from terret.errors import ConfigError
from terret.runtime import LEVELS, TOOLS, VISIBILITY, allowed_tools, is_visible, visible_artifacts


def test_visibility_only_grows() -> None:
    for table in (VISIBILITY, TOOLS):
        for name, row in table.items():
            assert list(row) == sorted(row), name


def test_every_artifact_of_the_paper_has_its_level() -> None:
    first = {name: LEVELS[row.index(True)] for name, row in VISIBILITY.items() if True in row}
    assert [name for name, level in first.items() if level == "H0"] == ["task", "repository"]
    assert [name for name, level in first.items() if level == "H1"] == [
        "tool_registry",
        "test_command_registry",
        "tool_usage_protocol",
    ]
    assert sum(level == "H2" for level in first.values()) == 6
    assert sum(level == "H3" for level in first.values()) == 5


@given(st.sampled_from(LEVELS))
def test_the_evaluator_is_visible_at_no_level(level: str) -> None:
    for artifact in ("evaluator_notes", "hidden_checks"):
        assert not is_visible(artifact, level)  # type: ignore[arg-type]
        assert artifact not in visible_artifacts(level)  # type: ignore[arg-type]


@given(st.integers(0, 2))
def test_a_level_has_every_tool_of_the_one_below(at: int) -> None:
    assert set(allowed_tools(LEVELS[at])) <= set(allowed_tools(LEVELS[at + 1]))


def test_an_unknown_level_is_refused_by_name() -> None:
    from terret.runtime import parse_level

    with pytest.raises(ConfigError, match="H0, H1, H2, H3"):
        parse_level("H9")
