"""Folders as sources: how one inside another, one that moved, and one that is gone are told apart from deleted documents.

Everything is listed before anything is changed; then `ingest/sync.py` brings one after the other up to date.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path

from ingest.errors import SourceError
from ingest.feeds import Feed, Listed
from ingest.reports import SyncReport
from ingest.sources import Listing
from ingest.sources.folder import FolderSource
from ingest.sync import Ingestor
from retrieval import authority, generations
from retrieval.access import EVERYBODY, Readers
from retrieval.authority import Source
from retrieval.database import reading, writing

Opened = Callable[[Collection[Path]], Feed]
"""Opens a source that is a folder, leaving out trees that are sources of their own."""


class Folders:
    """Ingests folders and single files with an `Ingestor`."""

    def __init__(self, ingestor: Ingestor) -> None:
        self._ingestor = ingestor
        self._index = ingestor.index

    def ingest(
        self,
        path: Path,
        *,
        readers: Readers | None = None,
        name: str = "",
        without: Collection[Path] = (),
        opened: Opened | None = None,
        confirmed: bool = False,
        dry_run: bool = False,
        on_report: Callable[[SyncReport], None] = lambda _: None,
    ) -> list[SyncReport]:
        """Bring the index to the present state of `path`, and of every source below it; one report each.

        `readers` None keeps the readers of a source that was ingested before, and is everybody for a new one. A folder
        inside an earlier source becomes a source of its own: its documents leave the earlier one first. A source that is
        ingested by its `name` from another path has moved there, if it is not at its former one any more. The trees in
        `without` are left out: sources of their own that could not be ingested, say. A configured source says by `opened`
        how it is opened; its readers and name are given too.
        Raises SourceError before anything is changed if `path` is missing, empty, or cannot be listed; TooMuchGone if
        more of it is gone than may go unasked.
        """
        with reading(self._index.engine) as connection:
            before = authority.sources(connection)
            kept_out = authority.kept_out(connection)
        root = _resolve(path, before)
        mine = _same(before, root, name)
        folders = [one for one in before if one.kind == "folder"]
        apart = [one for one in folders if Path(one.root) != root and Path(one.root).is_relative_to(root)]
        trees = (
            {Path(one.root) for one in apart} | {tree.resolve() for tree in without} | {Path(one) for one in kept_out}
        )
        # 1. Everything is listed before anything is changed.
        left_out = {tree.resolve() for tree in without}
        nested = [self._nested(one, apart) for one in apart if Path(one.root) not in left_out]
        wanted = readers or (mine.readers if mine else _default_readers(before, root))
        called = name or (mine.name if mine else _free_name(root.name, before))
        feed = opened(trees) if opened else Feed(called, "folder", FolderSource(root, apart=trees), wanted)
        feed = replace(feed, readers=wanted)
        listed = self._ingestor.listed(feed)
        listing = listed.listing
        if not (listing.items or listing.failed or apart or confirmed or feed.deliberate):
            raise _empty(path, listing)
        # 2. What a killed run left is finished, and what changes hands leaves its former source.
        if not dry_run:
            self._change_hands(before, root, mine, feed, kept_out)
        # 3. The sources, one by one.
        reports = [self._ingestor.sync(feed, listed=listed, confirmed=confirmed, dry_run=dry_run)]
        on_report(reports[0])
        for one, found in nested:
            gone = not Path(one.source.root).exists()  # the outer folder is there: this is no disk that is not mounted
            reports.append(self._ingestor.sync(one, listed=found, confirmed=confirmed or gone, dry_run=dry_run))
            on_report(reports[-1])
        return reports

    def _change_hands(
        self, before: list[Source], root: Path, mine: Source | None, feed: Feed, kept_out: set[str]
    ) -> None:
        """Before anything else is changed: what lay in other sources leaves them, and a source that moved is where it is now."""
        self._index.tidy(purge=False)
        self._take_over(before, root)
        with writing(self._index.engine) as connection:
            if str(root) in kept_out:  # it is meant again
                authority.keep_out(connection, kept_out - {str(root)})
            if mine is not None and mine.root != str(root):
                source_id = authority.put_source(connection, feed.name, str(root), feed.readers, feed.kind)
                authority.move_addresses(connection, source_id, mine.root, str(root))

    def _nested(self, stored: Source, apart: list[Source]) -> tuple[Feed, Listed]:
        root = Path(stored.root)
        below = {Path(other.root) for other in apart if other.root != stored.root}
        feed = Feed(stored.name, stored.kind, FolderSource(root, apart=below), stored.readers)
        if root.exists():
            return feed, self._ingestor.listed(feed)
        return feed, Listed(Listing(()), self._ingestor.known(feed))

    def _take_over(self, before: list[Source], root: Path) -> None:
        """Remove from earlier sources what lies below `root`, before it comes back with readers of its own."""
        for source in before:
            outer = Path(source.root)
            if source.kind != "folder" or root == outer or not root.is_relative_to(outer):
                continue
            prefix = root.relative_to(outer).as_posix()
            with reading(self._index.engine) as connection:
                current = generations.current(connection)
                known = authority.manifest(connection, source.id, current.id) if current else {}
            below = [one.document_id for item, one in known.items() if item == prefix or item.startswith(prefix + "/")]
            self._index.remove(below)


def _empty(path: Path, listing: Listing) -> SourceError:
    passed = "; ".join(f"{item}: {why}" for item, why in [*listing.skipped.items()][:3])
    kinds = f"nothing to read ({passed})" if passed else "no file"
    return SourceError(
        f"{path} holds {kinds}: put documents there, such as .md, .pdf or .docx (docs/ingestion.md lists all kinds)."
        " Nothing was changed."
    )


def _resolve(path: Path, before: list[Source]) -> Path:
    if os.path.lexists(path):
        return path.resolve()
    gone = next((source for source in before if source.root == str(path.absolute())), None)
    if gone is None:
        raise SourceError(f"{path} does not exist: check the spelling, or name another folder or file.")
    raise SourceError(
        f"{path} is not there any more, and its documents were kept: to remove them too, run `kura remove {gone.name}`."
    )


def _default_readers(before: list[Source], root: Path) -> Readers:
    """A folder inside an earlier source is read by that source's readers unless told otherwise; else by everybody."""
    parents = [source for source in before if source.kind == "folder" and root.is_relative_to(source.root)]
    nearest = max(parents, key=lambda source: len(source.root), default=None)
    return nearest.readers if nearest else Readers(frozenset({EVERYBODY}))


def _same(before: list[Source], root: Path, name: str) -> Source | None:
    """The earlier source that is meant: the one at this root, else the one of this name, which then has moved here."""
    at_root = next((source for source in before if source.root == str(root)), None)
    named = next((source for source in before if source.name == name), None)
    if named is None or named == at_root:
        return at_root
    if at_root is not None or (named.kind == "folder" and Path(named.root).exists()):
        raise SourceError(
            f"The name {name} belongs to the source at {named.root}: give this one another name, or run `kura remove {name}`"
            " first. Nothing was changed."
        )
    return named


def _free_name(wanted: str, before: list[Source]) -> str:
    taken = {source.name for source in before}
    if wanted not in taken:
        return wanted
    return next(name for number in range(2, len(taken) + 3) if (name := f"{wanted}-{number}") not in taken)
