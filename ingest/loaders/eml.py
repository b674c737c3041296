"""E-mails into a `Document`: who wrote to whom and when, then the body; the subject is the title.

Of a body in several forms the plain one is read, else the HTML one. What is quoted stays, attachments are only named.
Nothing a mail links to is fetched.
"""

from __future__ import annotations

import codecs
import email
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import policy
from email.errors import MessageError
from email.message import EmailMessage
from typing import Any

from ingest.decoding import decode
from ingest.errors import DocumentError, UndecodableText
from ingest.loaders import html
from ingest.loaders.writer import TEXT_LIMIT, one_line, visible
from retrieval.documents import Document, Mark
from retrieval.language import language

_FIELDS = ("From", "To", "Cc", "Date", "Subject")
_ADDRESSES = 20
"""Addresses shown of each line; a round mail to hundreds says no more by naming all."""
_FIELD_LENGTH = 20_000
"""Characters of a field that are parsed: some hundred addresses; the parser's time grows with their square."""
_QUOTES = re.compile(r">*")


def load(stem: str, data: bytes) -> Document:
    """Parse an .eml file. Title: the subject, else `stem`."""
    message = email.message_from_bytes(data, policy=policy.default)
    if not any(name in message for name in _FIELDS):
        raise DocumentError("The file is no e-mail, or damaged: save the mail anew as .eml.")
    mail = _Mail()
    mail.read(message)
    text = "\n".join(_head(message, mail.attached))
    marks: list[Mark] = []
    for body in mail.bodies:
        start = len(text) + 2
        if marks:
            marks.append(Mark(start))  # no heading of the part before
        marks.extend(Mark(start + mark.start, mark.heading) for mark in body.marks)
        text += "\n\n" + body.text
    if len(text) > TEXT_LIMIT:
        raise DocumentError(f"It holds more than {TEXT_LIMIT:,} characters: save it without what it quotes.")
    title = one_line(str(_field(message, "Subject"))) or stem
    sent = getattr(_field(message, "Date"), "datetime", None)
    return Document(title, text, language(text), tuple(marks), sent and sent.date())


def _head(message: EmailMessage, attached: list[str]) -> Iterator[str]:
    for name in ("From", "To", "Cc"):
        value = _field(message, name)
        people = [str(address) for address in getattr(value, "addresses", ())] or [str(value)]
        more = f" and {len(people) - _ADDRESSES} more" if len(people) > _ADDRESSES else ""
        if shown := one_line(", ".join(people[:_ADDRESSES])):
            yield f"{name}: {shown}{more}"
    sent = _field(message, "Date")
    moment = getattr(sent, "datetime", None)
    if shown := moment.isoformat(" ", "minutes") if moment else one_line(str(sent)):
        yield f"Date: {shown}"
    if attached:
        yield "Attachments: " + ", ".join(attached)


def _field(message: EmailMessage, name: str) -> Any:
    """A field parsed, as the header object of the standard library; the bare text where it cannot be."""
    raw = next((value for key, value in message.raw_items() if key.lower() == name.lower()), "")[:_FIELD_LENGTH]
    try:
        if not raw.isascii() or "\x1b" in raw:  # written without the encoding mails ask for
            raw = decode(raw.encode("utf-8", "surrogateescape"))
        return policy.default.header_factory(name, " ".join(raw.split()))
    except (UndecodableText, MessageError, LookupError, ValueError, TypeError, AttributeError, RecursionError):
        return raw  # the parser stumbles over some fields that no one should have written


@dataclass(slots=True)
class _Body:
    text: str
    marks: tuple[Mark, ...] = ()


@dataclass(slots=True)
class _Mail:
    """What was found in a mail: its bodies in their order, and the names of its attachments."""

    bodies: list[_Body] = field(default_factory=list)
    attached: list[str] = field(default_factory=list)

    def read(self, message: EmailMessage) -> None:
        stack: list[Any] = [message]
        while stack:
            part = stack.pop()
            kind = part.get_content_type()
            if part is not message and (part.is_attachment() or kind.startswith("message/")):
                self._name(part)
            elif part.is_multipart() and kind == "multipart/alternative":
                stack.append(_best(part.get_payload()))
            elif part.is_multipart() and kind == "multipart/related":
                stack.extend(part.get_payload()[:1])  # the others are pictures in it
            elif part.is_multipart():
                stack.extend(reversed(part.get_payload()))
            elif kind == "text/html":
                # the mark says that it is UTF-8, whatever the page itself says
                page = html.load("", codecs.BOM_UTF8 + _decoded(part).encode())
                self._add(_Body(page.text, page.marks))
            elif kind == "text/plain" or kind.startswith("multipart/"):  # the latter: damaged, but there is text
                self._add(_Body(_plain(part)))
            else:
                self._name(part)

    def _add(self, body: _Body) -> None:
        if body.text:
            self.bodies.append(body)

    def _name(self, part: EmailMessage) -> None:
        inner = part.get_payload(0) if part.get_content_type() == "message/rfc822" and part.is_multipart() else None
        name = part.get_filename() or (str(_field(inner, "Subject")) if isinstance(inner, EmailMessage) else "")
        if name := one_line(name):
            self.attached.append(name)


def _best(forms: list[Any]) -> Any:
    """Of the forms of one text: the plain one if it says anything, else the HTML one, else the first."""
    for form in forms:
        if form.get_content_type() == "text/plain" and _decoded(form).strip():
            return form
    for form in forms:
        if any(part.get_content_type() == "text/html" for part in form.walk()):
            return form
    return forms[0]


def _decoded(part: EmailMessage) -> str:
    data = part.get_payload(decode=True)
    if not isinstance(data, bytes):
        return ""
    try:
        return decode(data, declared=part.get_content_charset() or "")
    except UndecodableText:
        if b"\x1b$B" not in data:
            raise
        # ISO-2022-JP with circled digits and the like, which JIS X 0213 has at the places where mail programs write them
        return data.replace(b"\x1b$B", b"\x1b$(Q").decode("iso2022_jp_2004").replace("\r\n", "\n")


def _plain(part: EmailMessage) -> str:
    text = visible(_decoded(part))
    if part.get_param("format") == "flowed":
        text = _unflowed(text, joined=part.get_param("delsp") == "yes")
    return "\n".join(line.rstrip() for line in text.split("\n")).strip("\n")


def _unflowed(text: str, *, joined: bool) -> str:
    """Lines that end in a space put together with the next (RFC 3676); `joined`: without that space."""
    lines: list[str] = []
    before = None  # the quotation marks of a line that goes on
    for line in text.split("\n"):
        quotes = _QUOTES.match(line)[0]  # type: ignore[index]
        content = line[len(quotes) :].removeprefix(" ")
        if before == quotes and content != "-- ":
            lines[-1] = (lines[-1][:-1] if joined else lines[-1]) + content
        else:
            lines.append(f"{quotes} {content}" if quotes else content)
        before = quotes if content.endswith(" ") and content != "-- " else None
    return "\n".join(lines)
