"""HTML into a `Document`: the main content as clean blocks, without navigation, scripts and what a reader does not see.

Nodes are walked with a stack of our own, so depth costs no recursion. Nothing the page links to is fetched.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from ingest.dates import latest
from ingest.decoding import decode
from ingest.errors import DocumentError
from ingest.loaders.blocks import fenced
from ingest.loaders.styles import has_background, hides, hiding_selectors, is_white, writes_white
from ingest.loaders.writer import Writer, lines, one_line, table
from retrieval.documents import Document, Mark
from retrieval.language import language

if TYPE_CHECKING:
    from selectolax.lexbor import LexborHTMLParser, LexborNode


def _tags(names: str) -> frozenset[str]:
    return frozenset(names.split())


_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.-]{1,40})", re.IGNORECASE)
_CHARSET_WITHIN = 4096
"""Bytes looked at for a charset; browsers look at 1024."""

_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)")
_DEPTH_LIMIT = 20_000
"""Elements open at once; the parser's time grows with the square of it (12 s at 100,000)."""
_NEVER_OPEN = _tags(
    "area base br col embed hr img input link meta source track wbr p li dt dd td th tr tbody thead tfoot option"
)

_UNREAD = _tags(
    "script style template noscript head title nav svg math iframe object canvas audio video button select textarea "
    "input datalist rt rp"
)
_AROUND = _tags("header footer aside")
_BLOCKS = _tags(
    "address article aside blockquote body caption center dd details dialog div dl dt fieldset figcaption figure footer "
    "form header hr html legend li main menu ol optgroup option p section summary table tbody td tfoot th thead tr ul"
)
_LISTS = _tags("ul ol menu dl")
_ITEMS = _tags("li dt dd")
_HEADING = re.compile(r"h([1-6])")
_DAYS = _tags(
    "date last-modified dc.date dc.date.modified dcterms.date dcterms.modified article:published_time article:modified_time "
    "og:updated_time datepublished datemodified"
)
"""What a `<meta>` is called that says when the page was written or changed."""
_INDENT_LEVELS = 6
"""Deeper lists are written at this depth."""


def load(stem: str, data: bytes) -> Document:
    """Parse a page. Title: `<title>`, else the first heading, else `stem`."""
    from selectolax.lexbor import LexborHTMLParser

    declared = _CHARSET.search(data[:_CHARSET_WITHIN])
    source = decode(data, declared=declared[1].decode("ascii") if declared else "")
    _check_depth(source)
    tree = LexborHTMLParser(source)
    _mark_hidden(tree)
    page = _Page()
    roots, around = _main_content(tree)
    for root in roots:
        page.walk(root, _UNREAD | around)
    text, marks = page.finish()
    title = tree.css_first("head > title") or tree.css_first("h1")
    name = one_line(_plain_text(title)) if title is not None else ""
    return Document(name or page.writer.first_heading or stem, text, language(text), marks, _day(tree))


def _day(tree: LexborHTMLParser) -> date | None:
    """When the page was written or changed last, by its own head."""
    named = ((meta.attributes, ("name", "property", "itemprop", "http-equiv")) for meta in tree.css("head > meta"))
    return latest(
        told.get("content") or "" for told, keys in named if any((told.get(key) or "").lower() in _DAYS for key in keys)
    )


def _check_depth(source: str) -> None:
    depth = 0
    for closing, tag in _TAG.findall(source):
        if tag.lower() not in _NEVER_OPEN:
            depth = max(0, depth - 1) if closing else depth + 1
            if depth > _DEPTH_LIMIT:
                raise DocumentError(
                    f"More than {_DEPTH_LIMIT:,} elements are nested in each other: export the page anew."
                )


def _main_content(tree: LexborHTMLParser) -> tuple[list[LexborNode], frozenset[str]]:
    """Where the content stands, and which parts of the page around it are to be left out."""
    main = tree.css_first("main, [role=main]")
    for found in ([main] if main is not None else [], tree.css("article:not(article article)")):
        shown = [node for node in found if not _hidden(node)]
        if any(one_line(_plain_text(node)) for node in shown):
            return shown, frozenset()
    return [tree.body] if tree.body is not None else [], _AROUND


def _plain_text(node: LexborNode) -> str:
    return " ".join(part.text_content or "" for part in node.traverse(include_text=True) if part.is_text_node)


def _attribute(node: LexborNode, name: str) -> str:
    return (node.attributes.get(name) or "") if node.is_element_node else ""


def _mark_hidden(tree: LexborHTMLParser) -> None:
    """Say of each element that the page's own sheets hide that it is hidden."""
    for sheet in tree.css("style"):
        for selector in hiding_selectors(_plain_text(sheet)):
            for node in tree.css(selector):
                node.attrs["hidden"] = ""


def _hidden(node: LexborNode) -> bool:
    attributes = node.attributes
    if not attributes:
        return False
    style = attributes.get("style") or ""
    return (
        "hidden" in attributes
        or attributes.get("aria-hidden") == "true"
        or hides(style)
        or ((writes_white(style) or is_white(attributes.get("color") or "")) and not _on_colour(node))
    )


def _on_colour(node: LexborNode) -> bool:
    """Whether an element around it puts a colour behind its text."""
    around: LexborNode | None = node
    while around is not None and around.is_element_node:
        colour = _attribute(around, "bgcolor")
        if (colour and not is_white(colour)) or has_background(_attribute(around, "style")):
            return True
        around = around.parent
    return False


def _readable(node: LexborNode, unread: frozenset[str]) -> bool:
    # some pages hide their body until a script shows it
    return node.is_element_node and node.tag not in unread and (node.tag == "body" or not _hidden(node))


@dataclass(slots=True)
class _List:
    ordered: bool
    count: int = 0


@dataclass(slots=True)
class _Page:
    """What was read so far: the line in the making, and the lists it stands in."""

    writer: Writer = field(default_factory=Writer)
    inline: list[str] = field(default_factory=list)
    lists: list[_List] = field(default_factory=list)
    marker: str = ""
    """The sign of the list item whose first line is still to come."""
    tight: bool = False
    """Whether the last block written stands in the list we are in."""

    def walk(self, root: LexborNode, unread: frozenset[str]) -> None:
        stack: list[tuple[LexborNode, bool]] = [(root, False)]
        while stack:
            node, leaving = stack.pop()
            if leaving:
                self._leave(node.tag or "")
            elif node.is_text_node:
                self.inline.append(node.text_content or "")
            elif _readable(node, unread) and self._enter(node, node.tag or "", unread):
                stack.append((node, True))
                child = node.last_child
                while child is not None:
                    stack.append((child, False))
                    child = child.prev
        self._flush()

    def finish(self) -> tuple[str, tuple[Mark, ...]]:
        self._flush()
        return self.writer.finish()

    def _enter(self, node: LexborNode, tag: str, unread: frozenset[str]) -> bool:
        """Take up an element; False if all of it was read here."""
        if tag == "br":
            self.inline.append("\v")
        elif tag == "img":
            self.inline.append(f" {_attribute(node, 'alt')} ")
        elif heading := _HEADING.fullmatch(tag):
            self._flush()
            self.lists.clear()
            self.tight = False
            self.writer.heading(int(heading[1]), _read(node, unread))
            return False
        elif tag == "pre":
            self._flush()
            self._code(_read(node, unread, breaks="\n"))
            return False
        elif tag == "table" and not _layout(node):
            self._flush()
            caption, rows = _rows(node, unread)
            self.writer.block(one_line(caption))
            self.writer.block(table(rows))
            self.tight = False
            return False
        elif tag in _BLOCKS:
            self._flush()
            if tag in _LISTS:
                self.lists.append(_List(tag == "ol"))
            elif tag in _ITEMS:
                self._item(tag)
        return True

    def _leave(self, tag: str) -> None:
        if tag in _BLOCKS:
            self._flush()
            if tag in _LISTS and self.lists:
                self.lists.pop()
                self.tight = self.tight and bool(self.lists)

    def _item(self, tag: str) -> None:
        if not self.lists:
            self.lists.append(_List(ordered=False))
        current = self.lists[-1]
        current.count += 1
        self.marker = f"{current.count}. " if current.ordered else "" if tag == "dd" else "- "

    def _flush(self) -> None:
        # white space of the source is no line break, <br> is
        text = lines("\n".join(" ".join(part.split()) for part in "".join(self.inline).split("\v")))
        self.inline.clear()
        if not text:
            return
        if self.lists:
            indent = "  " * (min(len(self.lists), _INDENT_LEVELS) - 1)
            hanging = indent + " " * (len(self.marker) or 2)
            text = (indent + self.marker if self.marker else hanging) + text.replace("\n", "\n" + hanging)
        self.writer.block(text, tight=self.tight)
        self.marker = ""
        self.tight = bool(self.lists)

    def _code(self, text: str) -> None:
        self.writer.block(fenced(text))
        self.tight = False


def _read(root: LexborNode, unread: frozenset[str], breaks: str = " ") -> str:
    """All visible text below a node, in order."""
    parts: list[str] = []
    stack = [root]
    while stack:
        node = stack.pop()
        if node.is_text_node:
            parts.append(node.text_content or "")
        elif node.tag == "br":
            parts.append(breaks)
        elif node is root or _readable(node, unread):
            if node.tag in _BLOCKS:
                parts.append(breaks)
            child = node.last_child
            while child is not None:
                stack.append(child)
                child = child.prev
    return "".join(parts)


def _layout(node: LexborNode) -> bool:
    """True for a table that only arranges the page: it holds headings, code or other tables."""
    if _attribute(node, "role") in ("presentation", "none"):
        return True
    for part in node.traverse():
        if part.tag in ("h1", "h2", "h3", "h4", "pre") or (part.tag == "table" and part.mem_id != node.mem_id):
            return True
    return False


def _rows(root: LexborNode, unread: frozenset[str]) -> tuple[str, list[list[str]]]:
    """The caption and the rows of a table; a cell over several columns is followed by empty ones."""
    caption = ""
    rows: list[list[str]] = []
    for node in root.traverse():
        if node.tag == "caption":
            caption = _read(node, unread)
        elif node.tag == "tr" and not _hidden(node):
            rows.append([])
        elif node.tag in ("td", "th") and rows and not _hidden(node):
            span = _attribute(node, "colspan")
            rows[-1].append(_read(node, unread))
            rows[-1].extend([""] * (min(int(span), 20) - 1 if span.isdecimal() else 0))
    return caption, rows
