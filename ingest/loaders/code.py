"""Source code into a `Document`: its text is the decoded file, each definition a section that is kept whole.

Definitions are found by tree-sitter, which reads broken code too; languages without a grammar here have none. Knows no
meaning of the code: calls, types and imports are text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from ingest.decoding import decode
from ingest.loaders.writer import one_line, visible
from retrieval.documents import Document, Mark
from retrieval.language import language

if TYPE_CHECKING:
    from tree_sitter import Node

_GRAMMARS = {
    **dict.fromkeys((".py", ".pyi"), "tree_sitter_python:language"),
    **dict.fromkeys((".js", ".mjs", ".cjs", ".jsx"), "tree_sitter_javascript:language"),
    **dict.fromkeys((".ts", ".mts", ".cts"), "tree_sitter_typescript:language_typescript"),
    ".tsx": "tree_sitter_typescript:language_tsx",
    ".go": "tree_sitter_go:language",
    ".rs": "tree_sitter_rust:language",
    ".java": "tree_sitter_java:language",
    ".c": "tree_sitter_c:language",
    **dict.fromkeys((".h", ".cc", ".cpp", ".cxx", ".hh", ".hpp", ".hxx"), "tree_sitter_cpp:language"),
    ".cs": "tree_sitter_c_sharp:language",
    ".rb": "tree_sitter_ruby:language",
    **dict.fromkeys((".sh", ".bash"), "tree_sitter_bash:language"),
}

_PARSE_LIMIT = 2_000_000
"""Characters from which a file was made by a program: it is cut by its lines, parsing it would take seconds."""
_DEPTH = 8
"""Definitions nested deeper than this belong to the one around them."""
_NAME_LENGTH = 100


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# node types of all grammars together: no two of them mean different things by one name
_ABOVE = _words("comment line_comment block_comment attribute_item decorator")
"""What stands above a definition and belongs to it."""
_AROUND = _words("decorated_definition export_statement template_declaration ambient_declaration expression_statement")
"""What stands around one definition."""
_TRANSPARENT = _words(
    "ERROR preproc_if preproc_ifdef preproc_else preproc_elif linkage_specification declaration_list "
    "enum_body_declarations"
)
"""What holds definitions without being one."""
_CONTAINERS = _words(
    "class_definition class_declaration abstract_class_declaration interface_declaration struct_declaration "
    "record_declaration enum_declaration namespace_declaration internal_module module class impl_item trait_item "
    "mod_item class_specifier struct_specifier namespace_definition"
)
_DEFINITIONS = _CONTAINERS | _words(
    "function_definition function_declaration generator_function_declaration method_definition method_declaration "
    "constructor_declaration destructor_declaration compact_constructor_declaration operator_declaration "
    "local_function_statement function_item method singleton_method type_declaration struct_item enum_item union_item "
    "macro_definition type_alias_declaration enum_specifier union_specifier type_definition "
    "file_scoped_namespace_declaration annotation_type_declaration"
)
_BODIED = _words("method_declaration class_specifier struct_specifier enum_specifier union_specifier")
"""These are definitions only with a body; without one they announce or use something."""
_FUNCTIONS = _words("arrow_function function_expression generator_function class")
"""Values that make the variable they are given to a definition (JavaScript)."""
_VARIABLES = _words("lexical_declaration variable_declaration field_definition public_field_definition")

_SQL = re.compile(
    r"^[ \t]*+(?:create|alter)\s+(?:or\s+(?:replace|alter)\s+)?(?:\w+\s+){0,3}?"
    r"(?:table|view|function|procedure|trigger|index|type|sequence|schema|database|package)\s+"
    r"(?:concurrently\s+)?(?:if\s+(?:not\s+)?exists\s+)?([^\s(;]{1,100})",
    re.IGNORECASE | re.MULTILINE,
)


class _Place(NamedTuple):
    """From `row` (0-based line) on, the code stands under `path`; `opens` is false where it only returns to it."""

    row: int
    path: tuple[str, ...]
    opens: bool


def load(stem: str, data: bytes, suffix: str) -> Document:
    """Parse a source file; `suffix` says its language. Title: the file's name."""
    text = visible(decode(data))
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    marks = [Mark(0, (), whole=True)]
    last = _Place(0, (), opens=False)
    for place in _places(text, suffix):
        ahead = place.row > last.row or (place.row == last.row and place.opens and not last.opens)
        if ahead and starts[place.row] < len(text):
            if place.row == last.row:
                marks.pop()
            marks.append(Mark(starts[place.row], place.path, whole=True))
            last = place
    return Document(title=stem + suffix, text=text, language=language(text), marks=tuple(marks))


def _places(text: str, suffix: str) -> Iterator[_Place]:
    if suffix == ".sql":
        yield from _statements(text)
    elif suffix in _GRAMMARS and len(text) <= _PARSE_LIMIT:
        from tree_sitter import Language, Parser

        module, function = _GRAMMARS[suffix].split(":")
        parser = Parser(Language(getattr(import_module(module), function)()))
        tree = parser.parse(text.encode())
        yield from _walk(tree.root_node, (), _DEPTH)


def _statements(text: str) -> Iterator[_Place]:
    """The statements of an SQL script that make something, each with the comment above it."""
    row = at = 0
    for match in _SQL.finditer(text):
        above = text[at : match.start()]
        row, at = row + above.count("\n"), match.start()
        comment = 0
        for line in reversed(above.split("\n")[:-1]):
            if not line.lstrip().startswith("--"):
                break
            comment += 1
        yield _Place(row - comment, (_tidy(match[1]),), opens=True)


def _walk(parent: Node, path: tuple[str, ...], depth: int) -> Iterator[_Place]:
    """Where each definition below a node begins, and where the code around it goes on."""
    above: int | None = None  # the row on which the comments above the next definition begin
    before = -1  # the last row of what stands before
    for node in parent.named_children:
        first, last = node.start_point[0], _last_row(node)
        if first > before + 1 or (first == before and above is None):
            above = None  # a blank line parts; a comment behind code belongs to that
        if node.type in _ABOVE:
            above = first if above is None and first > before else above
        elif found := _definition(node):
            names, body = found
            yield _Place(first if above is None else above, path + names, opens=True)
            if body is not None and depth:
                yield from _walk(body, path + names, depth - 1)
            yield _Place(last + 1, path, opens=False)
            above = None
        else:
            if node.type in _TRANSPARENT and depth:
                yield from _walk(node, path, depth - 1)
            above = None
        before = max(before, last)


def _last_row(node: Node) -> int:
    row, column = node.end_point
    return row if column or row == node.start_point[0] else row - 1


def _definition(node: Node) -> tuple[tuple[str, ...], Node | None] | None:
    """The names of a definition (those of the type it belongs to first) and the node that holds its members, if any."""
    for _ in range(_DEPTH):
        if node.type not in _AROUND or not node.named_children:
            break
        node = (
            node.child_by_field_name("definition")
            or node.child_by_field_name("declaration")
            or node.child_by_field_name("value")
            or node.named_children[-1]
        )
    body = node.child_by_field_name("body")
    if node.type not in _DEFINITIONS:
        name = _variable(node)
    elif node.type in _BODIED and body is None:
        return None
    else:
        name = _name(node)
    names = tuple(_tidy(part) for part in name)
    if not names or not all(names):
        return None
    return names, body if node.type in _CONTAINERS else None


def _name(node: Node) -> tuple[str, ...]:
    if node.type == "impl_item":
        trait, implementor = (_text(node.child_by_field_name(field)) for field in ("trait", "type"))
        return (f"{trait} for {implementor}" if trait else implementor,)
    if node.type == "type_declaration":
        return (", ".join(_text(spec.child_by_field_name("name")) for spec in node.named_children[:3]),)
    name = _text(node.child_by_field_name("name"))
    if receiver := node.child_by_field_name("receiver"):
        owner = re.search(r"(\w+)(?:\[.*\])?\)$", _text(receiver))
        return (owner[1], name) if owner else (name,)
    if name or node.type.startswith("preproc"):
        return (name,)
    declared = node.child_by_field_name("declarator")
    for _ in range(_DEPTH):
        inner = declared.child_by_field_name("declarator") if declared is not None else None
        if inner is None:
            break
        declared = inner
    return tuple(part for part in _text(declared).split("::") if part)


def _variable(node: Node) -> tuple[str, ...]:
    """The name of a variable, field or exported thing that is given a function or class."""
    if node.type == "assignment_expression":
        value, name = node.child_by_field_name("right"), node.child_by_field_name("left")
    elif node.type in _VARIABLES:
        if node.type.endswith("_declaration"):
            node = node.named_children[0] if node.named_children else node
        value = node.child_by_field_name("value")
        name = node.child_by_field_name("name") or node.child_by_field_name("property")
    else:
        return ()
    return (_text(name),) if value is not None and value.type in _FUNCTIONS else ()


def _text(node: Node | None) -> str:
    return node.text.decode(errors="replace") if node is not None and node.text else ""


def _tidy(name: str) -> str:
    return one_line(name)[:_NAME_LENGTH].strip("'\"`")
