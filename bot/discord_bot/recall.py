"""Which posted answers no longer say what their sources say. Knows no Discord client, and posts nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.answers import Answer, Citation
from bot.discord_bot.ledger import Cited, Post
from bot.discord_bot.ports import Platform
from retrieval.access import Principal
from retrieval.errors import NotFound


@dataclass(frozen=True, slots=True)
class Reread:
    """A citation of a posted answer, looked at again: `stands` if the document still says it."""

    cited: Cited
    stands: bool


@dataclass(frozen=True, slots=True)
class Touched:
    """The sources of an answer have changed. `titles` are the changed documents that may still be read."""

    titles: tuple[str, ...]


class Rereading:
    """Looks at cited documents again, each document once for each set of groups: one sweep over many answers."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._texts: dict[tuple[frozenset[str], str], str | None] = {}
        """Without white space; None for what may not be read, or is gone."""

    async def touched(self, post: Post, *, principal: Principal) -> Touched | None:
        """Whether a document that a post cites does not say it any more, or may not be read by `principal`; None: none."""
        standing = [await self._stands(one, principal) for one in post.cited]
        if all(standing):
            return None
        changed = (one.title for one, stands in zip(post.cited, standing, strict=True) if stands is False)
        return Touched(tuple(dict.fromkeys(changed)))

    async def reread(self, cited: Sequence[Cited], *, principal: Principal) -> list[Reread]:
        """The citations whose document `principal` may read."""
        standing = [(one, await self._stands(one, principal)) for one in cited]
        return [Reread(one, stands) for one, stands in standing if stands is not None]

    async def _stands(self, cited: Cited, principal: Principal) -> bool | None:
        """None: the document may not be read, or is gone."""
        key = (principal.groups, cited.document)
        if key not in self._texts:
            try:
                document = await self._platform.document(cited.document, principal=principal)
            except NotFound:
                self._texts[key] = None
            else:
                self._texts[key] = await asyncio.to_thread(squeezed, document.text)  # a long one takes a while
        text = self._texts[key]
        return None if text is None else squeezed(cited.quote) in text


def squeezed(text: str) -> str:
    """The text without its white space: how that is set makes no difference to what it says."""
    return "".join(text.split())


def cited_by(answer: Answer) -> tuple[Cited, ...]:
    """The citations of an answer as they are noted of its post."""
    return tuple(map(_noted, answer.citations))


def says_the_same(post: Post, answer: Answer) -> tuple[Cited, ...] | None:
    """The citations of a post at their new places if an answer made now quotes all of them word for word: a document has
    moved, and nobody need hear of it. None if a quote is missing."""
    now = {squeezed(one.quote): one for one in cited_by(answer)}
    moved = [(one, now.get(squeezed(one.quote))) for one in post.cited]
    if any(place is None for _, place in moved):
        return None
    return tuple(replace(place, n=one.n) for one, place in moved if place is not None)


def _noted(one: Citation) -> Cited:
    return Cited(one.n, one.document_id, one.title, one.address, one.heading, one.line, one.page, one.quote)
