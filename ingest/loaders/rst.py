"""reStructuredText into a `Document`: headings, lists, tables and code as clean blocks, what only steers a build left out.

Directives and roles of extensions (Sphinx) are unknown here: their text is kept, their machinery is not. Nothing a file
names is read: insertion of files and addresses and raw output are off.
"""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING

from ingest.decoding import decode
from ingest.loaders import text as plain_text
from ingest.loaders.blocks import BlockWriter, fenced
from ingest.loaders.writer import table, visible
from retrieval.documents import Document
from retrieval.language import language

if TYPE_CHECKING:
    from docutils import nodes

_LINE_LENGTH = 10_000
"""Docutils reads no file with a longer line; we read such a one as plain text."""
_DEPTH = 5
"""Unknown directives inside each other; the text of deeper ones is shown as it stands."""
_ERROR = 3
"""Level of docutils' messages from which the text they hold was not read."""

_DIRECTIVE = re.compile(r"\.\. +(?:\|[^|\n]*\| +)?([\w:.+-]+) ?:: *(.*)")
_OPTION = re.compile(r"\s+:[\w-]+:(?:\s.*)?")
_ROLE = re.compile(r"(?::[\w:.+-]+:)?`([^`]*)`(?::[\w:.+-]+:)?")
_TARGET = re.compile(r"\s*<[^<>]*>$")
_UNDERLINE = re.compile(r"^([^\w\s])\1*$", re.MULTILINE)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SILENT = _words(
    "autoclass autofunction automodule autosummary contents currentmodule default-domain highlight image include index "
    "literalinclude meta module py:currentmodule py:module raw role sectionauthor sectnum tabularcolumns toctree"
)
"""Directives without a text of their own, or whose text another program makes."""
_ARGUMENT_STEERS = _words("only ifconfig container hlist grid tab-set glossary table list-table csv-table")
_CODE = _words("code code-block sourcecode parsed-literal productionlist prompt math graphviz mermaid doctest testcode")
_LEADS = {
    "versionadded": "Added in version ",
    "versionchanged": "Changed in version ",
    "deprecated": "Deprecated since version ",
    "seealso": "See also: ",
}
_ADMONITIONS = _words("attention caution danger error hint important note tip warning")
_UNSHOWN = _words(
    "comment target substitution_definition pending label raw meta decoration transition colspec title_reference_target"
)


def load(stem: str, data: bytes) -> Document:
    """Parse a reStructuredText file. Title: its first heading, else `stem`."""
    source = visible(decode(data))
    if max(map(len, source.split("\n"))) > _LINE_LENGTH:
        return plain_text.load(stem, data)
    reader = _Reader()
    try:
        reader.read(_parsed(source))
    except RecursionError:  # the parser goes down into lists and quotes by calls: hundreds of them are no writing
        return plain_text.load(stem, data)
    writer = reader.out.writer
    text, marks = writer.finish()
    return Document(writer.first_heading or stem, text, language(text), marks)


def _parsed(source: str) -> nodes.document:
    from docutils.frontend import get_default_settings
    from docutils.parsers.rst import Parser
    from docutils.utils import new_document

    settings = get_default_settings(Parser)
    settings.file_insertion_enabled = False
    settings.raw_enabled = False
    settings.halt_level = settings.report_level = 5  # no fault stops the reading, none is printed
    settings.syntax_highlight = "none"
    document = new_document("", settings)
    Parser().parse(source, document)
    return document


class _Reader:
    """Walks a parsed document and writes what a reader would see."""

    def __init__(self) -> None:
        self.out = BlockWriter()
        self._level = 0
        self._depth = 0
        self._substitutions: dict[str, str] = {}

    def read(self, document: nodes.document) -> None:
        from docutils import nodes

        for definition in document.findall(nodes.substitution_definition):
            self._substitutions.update(dict.fromkeys(definition["names"], definition.astext()))
        self._children(document)

    def _children(self, node: nodes.Element) -> None:
        for child in node.children:
            self._node(child)

    def _node(self, node: nodes.Element) -> None:
        kind = node.tagname
        if kind in _UNSHOWN or kind == "#text":
            return
        if kind.endswith("_list"):
            self._list(node)
        elif kind == "section":
            self._section(node)
        elif kind in ("literal_block", "doctest_block", "math_block"):
            self.out.block(fenced(node.astext()))
        elif kind == "table":
            self._table(node)
        elif kind == "system_message":
            self._unread(node)
        elif kind in ("image", "paragraph") or any(child.tagname == "#text" for child in node.children):
            self.out.paragraph(self._text(node))
        elif kind == "line_block":
            self.out.paragraph("\n".join(self._text(line) for line in node.children))
        else:
            if kind in ("footnote", "citation"):
                self.out.lead(f"[{node.children[0].astext()}] ")
            elif kind in _ADMONITIONS:
                self.out.lead(kind.capitalize() + ": ")
            self._children(node)

    def _section(self, node: nodes.Element) -> None:
        self._level += 1
        self.out.heading(self._level, self._text(node.children[0]))
        for child in node.children[1:]:
            self._node(child)
        self._level -= 1

    def _list(self, node: nodes.Element) -> None:
        for number, item in enumerate(node.children, start=node.get("start", 1)):
            if node.tagname == "field_list":
                self.out.lead(self._text(item.children[0]) + ": ")
                self._children(item.children[1])
                continue
            self.out.open_item(f"{number}. " if node.tagname == "enumerated_list" else "- ")
            if node.tagname == "definition_list":
                terms = [child for child in item.children if child.tagname in ("term", "classifier")]
                self.out.paragraph(" : ".join(map(self._text, terms)))
                self._children(item.children[-1])
            elif node.tagname == "option_list":
                self.out.lead(", ".join(option.astext() for option in item.children[0].children) + "  ")
                self._children(item.children[1])
            else:
                self._children(item)
            self.out.close_item()
        self.out.end_list()

    def _table(self, node: nodes.Element) -> None:
        from docutils import nodes

        for title in node.findall(nodes.title):
            self.out.paragraph(self._text(title))
            break
        self.out.block(
            table([[cell for entry in row.children for cell in self._cells(entry)] for row in node.findall(nodes.row)])
        )

    def _cells(self, entry: nodes.Element) -> list[str]:
        """The text of a cell, followed by empty ones where it spans columns."""
        parts = [child.astext() if child.tagname.endswith("_list") else self._text(child) for child in entry.children]
        return [" ".join(parts), *[""] * entry.get("morecols", 0)]

    def _text(self, node: nodes.Node) -> str:
        kind = node.tagname
        if kind in _UNSHOWN or kind == "system_message":
            return ""
        if kind == "image":
            return str(node.get("alt", ""))
        if kind == "#text" or not node.children:
            return str(node.astext())
        text = "".join(map(self._text, node.children))
        if kind == "substitution_reference":
            return self._substitutions.get(node.get("refname", ""), "") or text
        if kind in ("footnote_reference", "citation_reference"):
            return f"[{text}]"
        return _without_roles(text) if kind == "problematic" else text

    def _unread(self, message: nodes.Element) -> None:
        """Text that docutils could not read: a directive it does not know or likes to have otherwise, a broken table."""
        if message["level"] < _ERROR:
            return
        source = next((child.astext() for child in message.children if child.tagname == "literal_block"), "")
        directive = _DIRECTIVE.match(source)
        if directive is None:
            self.out.paragraph(_UNDERLINE.sub("", _without_roles(source)))
            return
        name, argument = directive[1].lower(), directive[2].strip()
        rest = source.split("\n")[1:]
        while rest and _OPTION.fullmatch(rest[0]):
            del rest[0]
        body = textwrap.dedent("\n".join(rest)).strip("\n")
        if name in _SILENT:
            return
        if name in _CODE:
            self.out.block(fenced(body or argument))
            return
        if name in _LEADS or name in _ADMONITIONS:
            self.out.lead(_LEADS.get(name, name.capitalize() + ": "))
        if argument and name not in _ARGUMENT_STEERS:
            self.out.paragraph(_without_roles(argument))
        self._depth += 1
        if self._depth > _DEPTH:
            self.out.paragraph(_without_roles(body))
        elif body:
            self.read(_parsed(body))
        self._depth -= 1


def _without_roles(text: str) -> str:
    """`:ref:`shown <target>`` as `shown`, `:func:`~a.b`` as `a.b`."""
    return _ROLE.sub(lambda match: _TARGET.sub("", match[1]).lstrip("~!") or match[1].strip("<>"), text)
