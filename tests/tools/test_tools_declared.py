"""How a function becomes a tool, and what a tool does with its arguments."""

from __future__ import annotations

import asyncio
from typing import Any, Literal, TypedDict

import pytest

from terret.errors import ConfigError
from terret.tools import Primitives, Tool, ToolFailure, ToolResult, tool


class Place(TypedDict):
    path: str
    line: int


@tool
async def survey(
    primitives: Primitives,
    path: str,
    kind: Literal["file", "dir"],
    depth: int = 2,
    share: float = 0.5,
    deep: bool = False,
    names: list[str] | None = None,
    places: list[Place] | None = None,
    mode: Literal[1, 2] | None = None,
    since: str | int | None = None,
    until: str | int = "now",
) -> str:
    """Survey a folder.

    It goes down
    as far as it is told.

    Args:
        path: The folder,
            relative to the repository.
        kind: What to survey.
        depth: Levels.
        share (float): Share: from 0 to 1.
        deep: Whether to go all the way.
        names: Names.
        places: Places.
        mode: Mode.
        since: Begin.
        until: End.

    Returns:
        Nothing that matters here.
    """
    return f"{path} {kind} {depth} {names}"


def test_name_description_and_schema_come_from_the_function():
    assert survey.spec.name == "survey"
    assert survey.spec.description == "Survey a folder. It goes down as far as it is told."
    place = {
        "type": "object",
        "properties": {"path": {"type": "string"}, "line": {"type": "integer"}},
        "required": ["path", "line"],
        "additionalProperties": False,
    }
    assert survey.spec.parameters == {
        "type": "object",
        "properties": {
            "path": {"type": "string", "description": "The folder, relative to the repository."},
            "kind": {"enum": ["file", "dir"], "description": "What to survey."},
            "depth": {"type": "integer", "description": "Levels.", "default": 2},
            "share": {"type": "number", "description": "Share: from 0 to 1.", "default": 0.5},
            "deep": {"type": "boolean", "description": "Whether to go all the way.", "default": False},
            "names": {"type": ["array", "null"], "items": {"type": "string"}, "description": "Names."},
            "places": {"type": ["array", "null"], "items": place, "description": "Places."},
            "mode": {"enum": [1, 2, None], "description": "Mode."},
            "since": {"anyOf": [{"type": "string"}, {"type": "integer"}, {"type": "null"}], "description": "Begin."},
            "until": {"anyOf": [{"type": "string"}, {"type": "integer"}], "description": "End.", "default": "now"},
        },
        "required": ["path", "kind"],
        "additionalProperties": False,
    }


def call(used: Tool, world, **args: Any) -> ToolResult:
    return asyncio.run(used.call(world, args))


def test_a_text_is_a_successful_result_and_defaults_are_the_function_s(world):
    assert call(survey, world, path="a", kind="dir") == ToolResult("a dir 2 None")
    assert call(survey, world, path="a", kind="dir", depth=3.0, names=["x"]).text == "a dir 3 ['x']"


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ({"kind": "dir"}, "path (string) is missing"),
        ({"path": "a", "kind": "link"}, 'must be one of "file", "dir"'),
        ({"path": "a", "kind": "dir", "places": [{"path": "b"}]}, "places[0].line (integer) is missing"),
        ({"path": "a", "kind": "dir", "extra": 1}, "extra does not exist"),
    ],
)
def test_arguments_are_checked_again_when_called(world, args, says):
    with pytest.raises(ToolFailure, match="survey: argument") as caught:
        call(survey, world, **args)
    assert caught.value.kind == "bad_arguments"
    assert says in caught.value.message


async def undocumented(primitives: Primitives) -> str:
    return ""


async def only_args(primitives: Primitives, path: str) -> str:
    """Args:
    path: A path.
    """
    return path


async def forgotten(primitives: Primitives, path: str, depth: int = 1) -> str:
    """Look.

    Args:
        path: A path.
    """
    return path


async def too_much(primitives: Primitives, path: str) -> str:
    """Look.

    Args:
        path: A path.
        depth: Gone since.
    """
    return path


async def unannotated(primitives: Primitives, path) -> str:
    """Look.

    Args:
        path: A path.
    """
    return path


async def untyped(primitives: Primitives, path: dict[str, str]) -> str:
    """Look.

    Args:
        path: A path.
    """
    return ""


async def unresolved(primitives: Primitives, path: Missing) -> str:  # noqa: F821
    """Look.

    Args:
        path: A path.
    """
    return ""


async def no_default(primitives: Primitives, path: str | None) -> str:
    """Look.

    Args:
        path: A path.
    """
    return ""


async def collecting(primitives: Primitives, *paths: str) -> str:
    """Look.

    Args:
        paths: Paths.
    """
    return ""


async def no_primitives() -> str:
    """Look."""
    return ""


def synchronous(primitives: Primitives) -> str:
    """Look."""
    return ""


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (undocumented, "needs a docstring"),
        (only_args, "needs a docstring"),
        (forgotten, r"forgotten\(depth\).*not described under Args"),
        (too_much, "does not exist.*depth"),
        (unannotated, "no annotation"),
        (untyped, "no JSON Schema.*use str, int"),
        (unresolved, "cannot be resolved"),
        (no_default, "needs a default"),
        (collecting, "must have names"),
        (no_primitives, "first parameter"),
        (synchronous, "async function"),
    ],
)
def test_a_function_that_cannot_be_a_tool_is_refused_at_its_definition(function, says):
    with pytest.raises(ConfigError, match=says):
        tool(function)
