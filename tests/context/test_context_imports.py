"""import_graph: who imports whom inside the repository."""

from __future__ import annotations

from terret.context import import_graph


def test_python_packages_relative_imports_and_reexports(repository):
    repo = repository(
        {
            "src/shop/__init__.py": "from shop._cart import Cart\nfrom .money import cents as c, show\n",
            "src/shop/_cart.py": "from . import money\nimport json, shop.texts\n",
            "src/shop/money.py": "import os\n",
            "src/shop/texts.py": '"""\nimport shop.money\n"""\n# import shop.money\n',
            "src/shop/deep/__init__.py": "",
            "src/shop/deep/x.py": "from ..money import show\nfrom shop import (\n    Cart,  # one\n)\n",
            "tests/helpers.py": "",
            "tests/test_cart.py": "import helpers\n\ndef test():\n    from shop import Cart\n",
        }
    )
    assert import_graph(repo) == {
        "src/shop/__init__.py": {"src/shop/_cart.py", "src/shop/money.py"},
        "src/shop/_cart.py": {"src/shop/money.py", "src/shop/texts.py"},
        "src/shop/money.py": set(),
        "src/shop/texts.py": set(),
        "src/shop/deep/__init__.py": set(),
        "src/shop/deep/x.py": {"src/shop/money.py", "src/shop/__init__.py", "src/shop/_cart.py"},
        "tests/helpers.py": set(),
        "tests/test_cart.py": {"tests/helpers.py", "src/shop/__init__.py", "src/shop/_cart.py"},
    }


def test_a_name_outside_the_repository_is_nobody(repository):
    repo = repository({"app/json.py": "", "main.py": "import json\nfrom yaml import load\nfrom .x import y\n"})
    assert import_graph(repo)["main.py"] == set()


def test_javascript_and_typescript(repository):
    repo = repository(
        {
            "src/a.js": 'import { b } from "./b.js";\nexport * from "./lib";\nimport fs from "node:fs";\n',
            "src/b.js": 'const a = require("./a");\nconst { x } = await import("../types.js");\n// from "./lib/c.js"\n',
            "src/lib/index.js": 'import {\n  c,\n} from "./c.js";\n',
            "src/lib/c.js": "",
            "types.ts": "export type X = string;\n",
        }
    )
    assert import_graph(repo) == {
        "src/a.js": {"src/b.js", "src/lib/index.js"},
        "src/b.js": {"src/a.js", "types.ts"},
        "src/lib/index.js": {"src/lib/c.js"},
        "src/lib/c.js": set(),
        "types.ts": set(),
    }


def test_c_includes(repository):
    repo = repository(
        {"src/a.c": '#include "b.h"\n#include <stdio.h>\n', "src/b.h": '#include "c.h"\n', "include/c.h": ""}
    )
    graph = import_graph(repo)
    assert graph["src/a.c"] == {"src/b.h"}
    assert graph["src/b.h"] == {"include/c.h"}
