"""What has to be done to a source's documents: decided by a pure function from what is listed and what is stored."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ingest.errors import TooMuchGone

if TYPE_CHECKING:
    from ingest.sources import SourceItem
    from retrieval.access import Readers
    from retrieval.authority import Known

MOST_REMOVED = 0.3
"""Share of a source's documents that may go at once unasked."""
SMALL_SOURCE = 10
"""Documents; of fewer, any number may go at once: a share of a handful says nothing."""


@dataclass(frozen=True, slots=True)
class SyncPlan:
    """What has to be done to a source's documents, by item (sorted)."""

    add: tuple[str, ...]
    replace: tuple[str, ...]
    move: Mapping[str, str]
    """New item -> the item that holds the same bytes and is not there any more."""
    repermit: tuple[str, ...]
    remove: tuple[str, ...]
    unchanged: tuple[str, ...]


def plan(listed: Mapping[str, str], known: Mapping[str, Known], readers: Readers, recipes: Collection[str]) -> SyncPlan:
    """Compare what is listed (item -> sha256 of its bytes) with what is live. Pure.

    An item whose content is not known any more (it could not be read) stands in `listed` with an empty hash: it is kept.
    A changed item whose readers changed too is in both `repermit`, which comes first, and `replace`. A document that was
    made by none of `recipes` is read again. A new item with the bytes of one that went is in `move` only.
    """
    same = {
        item
        for item, digest in listed.items()
        if item in known
        and digest in ("", known[item].content_sha256)
        and (not digest or known[item].recipe in recipes)
    }
    gone = sorted(known.keys() - listed.keys())
    new = sorted(item for item, digest in listed.items() if item not in known and digest)
    by_content: dict[str, list[str]] = {}
    for item in reversed(gone):
        by_content.setdefault(known[item].content_sha256, []).append(item)
    move = {item: by_content[listed[item]].pop() for item in new if by_content.get(listed[item])}
    moved = set(move.values())
    return SyncPlan(
        add=tuple(item for item in new if item not in move),
        replace=tuple(sorted(item for item in listed if item in known and item not in same)),
        move=move,
        repermit=tuple(sorted(item for item in listed if item in known and known[item].readers != readers)),
        remove=tuple(item for item in gone if item not in moved),
        unchanged=tuple(sorted(item for item in same if known[item].readers == readers)),
    )


def repointed(items: Iterable[SourceItem], known: Mapping[str, Known], replaced: Collection[str]) -> dict[str, str]:
    """The address of each document (by its id) that stays as it is and is found elsewhere now, as after a change of settings.

    What is `replaced` gets its address together with its text. Pure.
    """
    return {
        known[one.item].document_id: one.address
        for one in items
        if one.item in known and one.address != known[one.item].address and one.item not in replaced
    }


def check_share(source: str, going: int, known: int, most: float, before: int = 0) -> None:
    """Raises TooMuchGone if more than the share `most` (0..1) of a source's `known` documents would be removed.

    `before` is how many went just before: taken away in slices, it is as much.
    """
    going, known = going + before, known + before
    if going > before and known >= SMALL_SOURCE and going > most * known:
        raise TooMuchGone(
            f"{source}: {going} of {known} documents ({100 * going / known:.0f} %) are not there or not readable any more,"
            f" and more than {100 * most:.0f} % never go at once unasked. They were kept: check the source, or confirm it"
            " with `kura ingest --confirm-removal` and the source's name or path."
        )
