"""Proves that what is stored is what the sources hold: everything is listed, read and hashed anew. Changes nothing.

Trusts no time, size or version that a source tells: those only spare the sync its reading. Knows no kind of source, and
nothing of words and vectors (`retrieval/checking.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from ingest.errors import DocumentError, SourceError
from ingest.feeds import Feed
from ingest.sources import SourceItem
from retrieval.authority import Known
from retrieval.checking import StoredSource
from retrieval.unread import Unread


@dataclass(frozen=True, slots=True)
class SourceProof:
    """How one source compares with what is stored of it, by item (sorted)."""

    source: str
    root: str
    same: int = 0
    """Items whose bytes are those that were ingested."""
    missing: tuple[str, ...] = ()
    """In the source, and not in the index: new, or never readable."""
    extra: tuple[str, ...] = ()
    """In the index, and not in the source any more."""
    changed: tuple[str, ...] = ()
    """In both, with other bytes."""
    repermitted: tuple[str, ...] = ()
    """Stored for other readers than the source is given."""
    unreadable: Mapping[str, str] = field(default_factory=dict)
    """Items that could not be read now, with a sentence each: nothing is proved of them."""
    known_unreadable: Mapping[str, str] = field(default_factory=dict)
    """Items that no ingest can read, with the reason that was found: they are not in the index, and rightly so."""
    unreachable: str = ""
    """Why the source could not be listed: nothing is proved of it at all."""

    @property
    def agrees(self) -> bool:
        """Whether it is proved that index and source are the same."""
        return not (
            self.missing or self.extra or self.changed or self.repermitted or self.unreadable or self.unreachable
        )


def verify_sources(feeds: Iterable[Feed], stored: Sequence[StoredSource]) -> Iterator[SourceProof]:
    """Compare every feed with what is stored of it, one after the other; each is closed after that."""
    for feed in feeds:
        try:
            yield _verify(feed, _stored(feed, stored))
        finally:
            feed.source.close()


def orphans(feeds: Iterable[Feed], stored: Sequence[StoredSource]) -> Iterator[SourceProof]:
    """Stored sources that no feed stands for: whatever they hold is in the index and comes from nowhere."""
    meant = [known for feed in feeds if (known := _stored(feed, stored)) is not None]
    for one in stored:
        if one not in meant:
            why = (
                f"{one.source.name} is stored and not configured any more: configure it, or run"
                f" `kura remove {one.source.name}`"
            )
            yield SourceProof(one.source.name, one.source.root, extra=tuple(sorted(one.known)), unreachable=why)


def _stored(feed: Feed, stored: Sequence[StoredSource]) -> StoredSource | None:
    at_root = next((one for one in stored if one.source.root == feed.source.root), None)
    return at_root or next((one for one in stored if one.source.name == feed.name), None)


def _verify(feed: Feed, stored: StoredSource | None) -> SourceProof:
    known: Mapping[str, Known] = stored.known if stored else {}
    unread: Mapping[str, Unread] = stored.unread if stored else {}
    try:
        listing = feed.source.list({})  # as if nothing were stored: it must not be told what to say
    except (SourceError, OSError) as error:
        return SourceProof(feed.name, feed.source.root, unreachable=str(error))
    unreadable = dict(listing.unreadable)
    known_unreadable = dict(listing.damaged)
    missing, changed, same = [], [], 0
    for item in listing.items:
        before = known.get(item.item)
        if before is None:
            failed = unread.get(item.item)
            told: dict[str, str] = {}
            if failed is not None and _hash(feed, item, told) == failed.content_sha256:
                known_unreadable[item.item] = failed.reason
            else:
                missing.append(item.item)
            continue
        read = _hash(feed, item, unreadable)
        if read == before.content_sha256:
            same += 1
        elif read:
            changed.append(item.item)
    listed = {one.item for one in listing.items}
    return SourceProof(
        source=feed.name,
        root=feed.source.root,
        same=same,
        missing=tuple(sorted(missing)),
        extra=tuple(sorted(item for item in known if item not in listed and not _below(item, listing.unreadable))),
        changed=tuple(sorted(changed)),
        repermitted=tuple(sorted(item for item, one in known.items() if one.readers != feed.readers)),
        unreadable=unreadable,
        known_unreadable=known_unreadable,
    )


def _hash(feed: Feed, item: SourceItem, unreadable: dict[str, str]) -> str:
    """The hash of an item's bytes; "" if they cannot be read, which is then told."""
    try:
        return sha256(feed.source.read(item).data).hexdigest()
    except DocumentError as error:
        unreadable[item.item] = str(error)
    except OSError as error:
        unreadable[item.item] = f"{item.item} cannot be read ({error.strerror or error}): check its permissions."
    return ""


def _below(item: str, unreadable: Mapping[str, str]) -> bool:
    """Whether an item, or an archive it is a member of, is there and cannot be read."""
    return any(item == one or item.startswith(f"{one}/") for one in unreadable)
