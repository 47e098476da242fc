"""What the auditor reports, and how much each rule weighs."""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec

Category = Literal["code", "documentation", "dependency", "test", "residue", "architecture", "workflow"]
"""Where a burden lies."""

CUT = 160
"""Evidence is cut at this many characters."""


class Burden(msgspec.Struct, frozen=True):
    """One maintenance burden a patch introduces.

    ``severity``: 0 worth a look, 1 untidy, 2 someone has to mend it, 3 it breaks something or hides that it is broken.
    ``line`` counts from 1 in the file after the patch (before it, when the evidence is gone); 0 is the whole file.
    """

    category: Category
    severity: int
    rule: str
    path: str
    line: int
    evidence: str


class Rule(NamedTuple):
    """Category and usual severity of a rule, and what it means."""

    category: Category
    severity: int
    meaning: str


RULES: dict[str, Rule] = {
    "syntax_error": Rule("code", 3, "the file can no longer be parsed"),
    "conflict_marker": Rule("code", 3, "a merge conflict is left"),
    "debugger": Rule("code", 3, "a debugger stops the program"),
    "debug_print": Rule("code", 2, "a print or console.log that is no part of a command's output; 1 in tests"),
    "duplicate_block": Rule("code", 2, "six or more added lines exist elsewhere; 1 in tests"),
    "unused_symbol": Rule("code", 2, "a new function or class that nothing refers to; 1 when it is public"),
    "orphaned_symbol": Rule("code", 2, "the patch took the last use away; 1 when it is public"),
    "mixed_indentation": Rule("code", 2, "tabs among blanks, or blanks among tabs"),
    "mixed_line_endings": Rule("code", 2, "CRLF among LF, or LF among CRLF"),
    "unused_import": Rule("code", 1, "an import that nothing uses"),
    "todo_added": Rule("code", 1, "TODO, FIXME, XXX or HACK in a comment"),
    "commented_out_code": Rule("code", 1, "code in comments"),
    "suppression_added": Rule("code", 1, "a linter or type checker is silenced without saying for what"),
    "trailing_whitespace": Rule("code", 1, "blanks at line ends"),
    "missing_final_newline": Rule("code", 1, "the newline at the end of the file is gone"),
    "stale_name": Rule("documentation", 2, "a text names a symbol that is gone"),
    "stale_path": Rule("documentation", 2, "a text names a file that is gone"),
    "stale_option": Rule("documentation", 2, "a text names an option or environment variable that is gone"),
    "stale_command": Rule("documentation", 2, "a text names a make target or npm script that is gone"),
    "stale_docstring": Rule("documentation", 2, "a docstring describes a parameter that is gone"),
    "stale_state": Rule("documentation", 1, "the task state names what is gone"),
    "broken_link": Rule("documentation", 1, "a new link leads nowhere"),
    "todo_in_docs": Rule("documentation", 1, "TODO in a text for readers"),
    "undeclared_dependency": Rule(
        "dependency", 3, "imported, not declared; 2 in tests, in functions, or without a manifest"
    ),
    "unused_dependency": Rule("dependency", 2, "declared, not imported"),
    "dev_dependency_at_runtime": Rule("dependency", 2, "declared for development, imported by the library"),
    "orphaned_dependency": Rule("dependency", 1, "the patch took the last import away"),
    "lock_stale": Rule("dependency", 1, "the manifest changed, its lock file did not"),
    "test_removed": Rule("test", 3, "a test is gone while what it tests is still there"),
    "assertions_removed": Rule("test", 3, "a test asserts less"),
    "cases_removed": Rule("test", 3, "a parametrised test has fewer cases"),
    "skip_added": Rule("test", 3, "a test no longer runs, or may fail"),
    "only_added": Rule("test", 3, "the other tests no longer run"),
    "test_without_assertion": Rule("test", 2, "a new test cannot fail by an assertion"),
    "test_shadowed": Rule("test", 2, "a later test of the same name replaces an earlier one"),
    "scratch_file": Rule("residue", 2, "a file for trying something out"),
    "backup_file": Rule("residue", 2, "an old version beside the new one"),
    "build_output": Rule("residue", 2, "made by a tool, can be made again"),
    "run_output": Rule("residue", 1, "a log, dump or output of a run"),
    "notes_file": Rule("residue", 1, "notes of the author, not documentation"),
    "system_file": Rule("residue", 1, "left by a file manager"),
    "empty_file": Rule("residue", 1, "a new file without content"),
    "import_rule": Rule("architecture", 3, "an import that a declared rule forbids"),
    "import_cycle": Rule("architecture", 2, "a new import closes a cycle; 1 when a package imports its own modules"),
    "private_import": Rule("architecture", 1, "another package's private module is imported"),
    "checks_disabled": Rule("workflow", 3, "a check no longer runs, or its failure no longer counts"),
    "checks_loosened": Rule("workflow", 2, "a linter, type checker or coverage bound demands less"),
    "ci_changed": Rule("workflow", 2, "CI or hooks changed without need; 1 for pure additions"),
    "build_changed": Rule("workflow", 2, "the build changed without need; 1 for pure additions"),
    "lock_changed": Rule("workflow", 2, "a lock file changed though its manifest did not"),
    "unrelated_edit": Rule("workflow", 2, "far from the files the task is about; 1 for texts"),
    "reformatting": Rule("workflow", 2, "many lines changed in blanks and quotes only"),
}
"""Every rule of the auditor; the severity is the usual one, and the meaning says when it is another."""


def burden(rule: str, path: str, line: int, evidence: str, severity: int | None = None) -> Burden:
    """A burden with its rule's category and, unless given, severity; evidence becomes one line."""
    text = " ".join(evidence.split())
    known = RULES[rule]
    cut = text if len(text) <= CUT else text[: CUT - 3] + "..."
    return Burden(known.category, known.severity if severity is None else severity, rule, path, line, cut)
