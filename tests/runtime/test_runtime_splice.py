import ast

import pytest

from terret.runtime import NotSpliceable, meaning, specification, splice

FILE = '''import os


def first(a):
    return a


@cache
def second(a, b):
    """Doc."""
    return a - b


"""
trailing text
"""
'''


def test_a_definition_takes_the_place_of_its_namesake() -> None:
    text = splice(FILE, "def second(a, b):\n    return a + b\n")
    assert "return a + b" in text
    assert "a - b" not in text
    assert "@cache" not in text
    assert text.startswith("import os\n\n\ndef first(a):\n    return a\n")
    assert text.endswith('"""\ntrailing text\n"""\n')


def test_helpers_and_imports_come_along_and_examples_do_not() -> None:
    text = splice(
        FILE, "import math\n\ndef helper():\n    return 1\n\ndef first(a):\n    return helper()\n\nprint(first(1))\n"
    )
    names = [node.name for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]
    assert names == ["helper", "first", "second"]
    assert text.startswith("import math\n")
    assert "print" not in text


def test_a_lone_method_finds_its_class() -> None:
    text = splice("class A:\n    def get(self):\n        return 1\n", "def get(self):\n    return 2\n")
    assert text == "class A:\n    def get(self):\n        return 2\n"


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        ("def (", "not valid Python"),
        ("x = 1", "no function or class"),
        ("def third(): pass", "does not define third; it defines: first, second"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(reply: str, message: str) -> None:
    with pytest.raises(NotSpliceable, match=message):
        splice(FILE, reply)


def test_meaning_ignores_form_but_not_code() -> None:
    plain = meaning("a.py", "def f(x):\n    return x\n")
    assert meaning("a.py", 'def f( x ):\n    """Doc."""\n    # why\n    return (x)\n') == plain
    assert meaning("a.py", "def f(x):\n    return -x\n") != plain
    assert meaning("a.js", "a  = 1") == meaning("a.js", "a =\n1")


def test_a_docstring_that_the_reply_left_out_is_kept() -> None:
    text = splice(FILE, "def second(a, b):\n    return a + b\n")
    assert text.count('"""Doc."""') == 1
    assert ast.parse(text)
    assert "Doc" not in splice(FILE, 'def second(a, b):\n    """New."""\n    return a + b\n')


def test_a_small_file_is_split_into_what_it_says_and_what_it_does() -> None:
    said, code = specification(FILE)
    assert said == "trailing text\n\nDoc."
    assert code == "import os\n\n\ndef first(a):\n    return a\n\n\n@cache\ndef second(a, b):\n    return a - b"
    assert specification("def (") == ("", "def (")
    assert specification("x = 1\n") == ("", "x = 1")
    many = "".join(f'def f{n}():\n    """Doc {n}."""\n    return {n}\n' for n in range(3))
    assert specification(many) == ("", many.strip("\n"))


def test_the_outline_leaves_the_body_of_the_only_function_open() -> None:
    from terret.runtime import outline

    text = 'import math\n\ndef area(r):\n    """The area."""\n    return math.pi * r\n\nX = 1\n'
    assert outline(text) == 'import math\n\ndef area(r):\n    """The area."""\n    ...\n\nX = 1'


def test_of_several_functions_the_outline_opens_the_one_that_was_named() -> None:
    from terret.runtime import outline

    text = "def area(r):\n    return r\n\ndef areas(rs):\n    return [area(r) for r in rs]\n"
    assert outline(text) is None
    assert outline(text, "area and areas are wrong") is None
    assert outline(text, "areas is wrong") == "def area(r):\n    return r\n\ndef areas(rs):\n    ..."


@pytest.mark.parametrize("text", ["x = (", "class A:\n    pass\n", "def f(): return 1\n", "x = 1\n"])
def test_other_files_have_no_outline(text: str) -> None:
    from terret.runtime import outline

    assert outline(text) is None
