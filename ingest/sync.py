"""Brings the index to the present state of a source, whatever kind it is: lists, plans, and does what the plan says.

Removal and re-permission come first and touch no model. Knows no kind of source (`ingest/sources`), no format
(`ingest/loaders`, behind a `Parser`) and no SQL (`retrieval`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256

from ingest.errors import SourceError, TooMuchGone
from ingest.feeds import Feed, Listed, lies_inside, made_by_recipe, stored_source
from ingest.overlapping import overlapped
from ingest.parsing import Parser
from ingest.planning import MOST_REMOVED, SyncPlan, check_share, plan, repointed
from ingest.reading import Reader, Tally, timed
from ingest.reports import Progress, Stages, SyncReport
from ingest.sources import Listing, SourceItem
from ingest.wording import counted
from retrieval import authority, generations
from retrieval.authority import Known
from retrieval.database import reading, writing
from retrieval.generations import Generation
from retrieval.index import Index, Put
from retrieval.prepared import Embedded, Prepared
from retrieval.unread import Unread, put_unread, unread


@dataclass(slots=True)
class _Looked:
    """What a source holds and what of it is known: all that is found out before anything is changed."""

    listing: Listing
    known: Mapping[str, Known]
    plan: SyncPlan
    seen: dict[int, str]
    """What the source says now of versions whose content is the same."""
    tally: Tally


class Ingestor:
    """Ingests sources into an index. `most_removed` is the share of a source that may go at once unasked.

    `gone_before` tells how many documents of a source went just before, which counts as the same moment.
    """

    def __init__(
        self,
        index: Index,
        parser: Parser,
        *,
        on_progress: Callable[[Progress], None] = lambda _: None,
        most_removed: float = MOST_REMOVED,
        gone_before: Callable[[str], int] = lambda _: 0,
    ) -> None:
        self.index = index
        self._reader = Reader(index, parser, on_progress)
        self._most_removed = most_removed
        self._gone_before = gone_before

    def sync(
        self, feed: Feed, *, listed: Listed | None = None, confirmed: bool = False, dry_run: bool = False
    ) -> SyncReport:
        """Bring the index to the present state of one source; what was `listed` before is not listed again.

        With `confirmed` any share of its documents may go. Raises SourceError before anything is changed if it cannot
        be listed, or if it seems empty; TooMuchGone if more is gone than may go unasked.
        """
        started = time.perf_counter()
        try:
            looked = self._look(feed, listed or self.listed(feed), confirmed=confirmed)
            if not dry_run:
                self._do(feed, looked, confirmed=confirmed)
        finally:
            feed.source.close()
        return _report(feed, looked, time.perf_counter() - started, dry_run=dry_run)

    def listed(self, feed: Feed) -> Listed:
        """What a source holds now, beside what is stored of it. Raises SourceError if it cannot be listed."""
        started = time.perf_counter()
        known = self.known(feed)
        listing = feed.source.list({item: one.source_version for item, one in known.items()})
        return Listed(listing, known, time.perf_counter() - started)

    def fill(self, feed: Feed, generation: Generation) -> dict[str, str]:
        """Put into a generation what its recipe makes anew of a source; what cannot be read is left to the text stored.

        Returns a sentence for each item that could not be read. Raises SourceError if the source cannot be listed.
        """
        with reading(self.index.engine) as connection:
            source = stored_source(authority.sources(connection), feed)
            current = generations.current(connection)
            if source is None or current is None:
                return {}
            known = authority.manifest(connection, source.id, current.id)
            there = authority.manifest(connection, source.id, generation.id)
        try:
            listing = self.listed(feed).listing
            tally = Tally(failed=dict(listing.failed))
            pending = [
                one
                for one in listing.items
                if one.item in known
                and known[one.item].recipe != made_by_recipe(generation.recipe, feed)
                and one.item not in there
            ]
            for batch in self._reader.batches(feed, pending, tally):
                # a document that has changed by now is the next sync's, and so are other readers: here the same bytes are
                # made anew for those who may read them now
                same = [
                    replace(one, readers=known[one.item].readers)
                    for one in batch
                    if one.content_sha256 == known[one.item].content_sha256
                ]
                self.index.put(source.id, same, generation=generation)
        finally:
            feed.source.close()
        return tally.failed

    def remove(self, name: str) -> int:
        """Remove a source with all its documents; returns how many. Raises SourceError if there is none of this name.

        A folder inside another source stays out of that one, whose readers are others, until it is ingested again.
        """
        with reading(self.index.engine) as connection:
            before = authority.sources(connection)
            source = next((source for source in before if source.name == name), None)
            if source is None:
                known = ", ".join(source.name for source in before) or "none"
                raise SourceError(f"There is no source {name}: `kura status` lists them ({known}).")
            documents = authority.documents_of(connection, source.id)
        self.index.tidy(purge=False)
        self.index.remove(documents)
        with writing(self.index.engine) as connection:
            authority.delete_source(connection, source.id)
            if any(one.kind == source.kind == "folder" and lies_inside(source.root, one.root) for one in before):
                authority.keep_out(connection, authority.kept_out(connection) | {source.root})
        self.index.tidy(purge=True)
        return len(documents)

    # --- the steps ---

    def known(self, feed: Feed) -> dict[str, Known]:
        """What is stored of a source, in the generation that answers."""
        with reading(self.index.engine) as connection:
            source, current = stored_source(authority.sources(connection), feed), generations.current(connection)
            return authority.manifest(connection, source.id, current.id) if source and current else {}

    def _look(self, feed: Feed, listed: Listed, *, confirmed: bool) -> _Looked:
        listing, known = listed.listing, listed.known
        with reading(self.index.engine) as connection:
            current = generations.current(connection)
        tally = Tally(failed=dict(listing.failed), stages=Stages(listing=listed.seconds))
        if not listing.items and not listing.failed and known and not confirmed and not feed.deliberate:
            raise SourceError(
                f"{feed.name} lists no document any more, and {counted(len(known), 'stored document')} stayed: check the source,"
                f" or run `kura remove {feed.name}`. Nothing was changed."
            )
        with timed(tally.stages, "reading"):
            seen: dict[int, str] = {}
            hashes = self._hashes(feed, listing, known, tally, seen)
        recipes = {
            made_by_recipe(one, feed) for one in (self.index.recipe, current.recipe if current else self.index.recipe)
        }
        made = plan(hashes, known, feed.readers, recipes)
        if not (confirmed or feed.deliberate):
            going = len(made.remove) + len([item for item in tally.outdated if item in known])
            check_share(feed.name, going, len(known), self._most_removed, self._gone_before(feed.name))
        return _Looked(listing, known, made, seen, tally)

    def _hashes(
        self, feed: Feed, listing: Listing, known: Mapping[str, Known], tally: Tally, seen: dict[int, str]
    ) -> dict[str, str]:
        """The hash of each listed item; "" for one that cannot be read. Only what may have changed is read."""
        unread = self._unread(feed)
        listed = dict.fromkeys(listing.unreadable, "")
        gone = known.keys() - {one.item for one in listing.items}
        for item in listing.items:
            before = known.get(item.item)
            failed = unread.get(item.item) if before is None else None
            if failed is not None and self._fails_still(feed, item, failed, tally):
                listed[item.item] = ""
            elif before is not None and item.version and item.version == before.source_version:
                listed[item.item] = before.content_sha256
            elif before is None and not gone:
                listed[item.item] = "new"  # whatever is in it; nothing has gone whose bytes it could hold
            else:
                content = self._reader.read(feed, item, tally)
                listed[item.item] = sha256(content.data).hexdigest() if content else ""
                if before is not None and content and content.version and listed[item.item] == before.content_sha256:
                    seen[before.version_id] = content.version
        return listed

    def _unread(self, feed: Feed) -> dict[str, Unread]:
        """What of a source could not be read, by the recipe that is in use."""
        made_by = made_by_recipe(self.index.recipe, feed)
        with reading(self.index.engine) as connection:
            source = stored_source(authority.sources(connection), feed)
            stored = unread(connection, source.id) if source else {}
        return {item: one for item, one in stored.items() if one.recipe == made_by}

    def _fails_still(self, feed: Feed, item: SourceItem, failed: Unread, tally: Tally) -> bool:
        """Whether an item that could not be read has not changed: it costs a stat or a hash, and no parser."""
        if not item.version or item.version != failed.source_version:
            content = self._reader.read(feed, item, tally)
            if content is None:
                return True
            if sha256(content.data).hexdigest() != failed.content_sha256:
                return False
            failed = replace(failed, source_version=content.version)
        tally.failed[item.item] = failed.reason
        tally.unread[item.item] = failed
        return True

    def _do(self, feed: Feed, looked: _Looked, *, confirmed: bool) -> None:
        known, todo, tally = looked.known, looked.plan, looked.tally
        items = {one.item: one for one in looked.listing.items}
        # 1. What a killed run left is finished; vectors may be of texts that come in now, as from another source.
        with timed(tally.stages, "tidying"):
            self.index.tidy(purge=False, vectors=False)
        with writing(self.index.engine) as connection:
            source_id = authority.put_source(connection, feed.name, feed.source.root, feed.readers, feed.kind)
            authority.set_source_versions(connection, looked.seen)
            authority.set_addresses(connection, repointed(items.values(), known, set(todo.replace)))
        # 2. Removal and re-permission: no model is touched, and they are done whatever happens later.
        with timed(tally.stages, "writing"):
            self.index.set_readers([known[item].document_id for item in todo.repermit], feed.readers)
            outdated = [item for item in tally.outdated if item in known]
            self.index.remove([known[item].document_id for item in (*todo.remove, *outdated)])
            tally.removed += (*todo.remove, *outdated)
            tally.outdated.clear()
        # 3. New, changed and moved documents, in batches: one is written while the next is parsed and embedded.
        pending = [items[item] for item in (*todo.add, *todo.replace, *todo.move)]

        def put(made: tuple[list[Prepared], Embedded]) -> Put:
            left = [known[todo.move[one.item]].document_id for one in made[0] if one.item in todo.move]
            return self.index.put(source_id, made[0], embedded=made[1], instead_of=left)

        batches = ((batch, self.index.embed(batch)) for batch in self._reader.batches(feed, pending, tally, known))
        for (batch, _), written in overlapped(batches, put):
            tally.moved |= {one.item: todo.move[one.item] for one in batch if one.item in todo.move}
            tally.replaced += [one.item for one in batch if one.item in known]
            tally.added += [one.item for one in batch if one.item not in known and one.item not in todo.move]
            tally.chunks += sum(len(one.chunks) for one in batch)
            tally.embedded += written.embedded
            tally.stages.embedding += written.embedding
            tally.stages.writing += written.writing
        # 4. What says something else now, or has moved, and could not be read, is not answered from any more, unless that is
        #    so much of the source that it rather was damaged; what was deleted is overwritten.
        lost = [item for new, item in todo.move.items() if new not in tally.moved]
        lost += [item for item in tally.outdated if item in known]
        with timed(tally.stages, "tidying"):
            try:
                if not (confirmed or feed.deliberate):
                    check_share(feed.name, len(tally.removed) + len(lost), len(known), self._most_removed)
            except TooMuchGone as fault:
                tally.fault = str(fault)
            else:
                self.index.remove([known[item].document_id for item in lost])
                tally.removed += lost
            self.index.tidy(purge=bool(tally.removed or tally.replaced or tally.moved))
        with writing(self.index.engine) as connection:
            put_unread(connection, source_id, tally.unread)
            authority.mark_synced(connection, source_id)


def _report(feed: Feed, looked: _Looked, seconds: float, *, dry_run: bool) -> SyncReport:
    todo, tally = looked.plan, looked.tally
    return SyncReport(
        source=feed.name,
        root=feed.source.root,
        readers=feed.readers,
        added=todo.add if dry_run else tuple(tally.added),
        replaced=todo.replace if dry_run else tuple(tally.replaced),
        moved=todo.move if dry_run else tally.moved,
        repermitted=todo.repermit,
        removed=todo.remove if dry_run else tuple(tally.removed),
        unchanged=len(todo.unchanged),
        chunks=tally.chunks,
        embedded=tally.embedded,
        failed=tally.failed,
        skipped=looked.listing.skipped,
        seconds=seconds,
        stages=tally.stages,
        dry_run=dry_run,
        fault=tally.fault,
    )
