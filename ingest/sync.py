"""Brings the index to the present state of a source. `plan` decides and is pure; `Ingestor` does what it says.

Removal and re-permission come first and touch no model. Knows no format (`ingest/loaders`) and no SQL (`retrieval`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from ingest.errors import DocumentError, SourceError
from ingest.loaders import LOADER_VERSION, SUFFIXES, parse
from ingest.sources.folder import Listing, SourceItem, list_items, read, resolve
from ingest.splitting import SPLITTER_VERSION, split
from retrieval import authority
from retrieval.access import EVERYBODY, Readers
from retrieval.authority import Known, Source
from retrieval.database import reading, writing
from retrieval.index import Index, Prepared

RECIPE = f"{LOADER_VERSION}/{SPLITTER_VERSION}"
"""A document made by another recipe is read again."""

BATCH_CHUNKS = 512
"""Chunks written in one go: enough to embed and store them at full speed, few enough that memory stays flat."""


@dataclass(frozen=True, slots=True)
class SyncPlan:
    """What has to be done to a source's documents, by item (sorted)."""

    add: tuple[str, ...]
    replace: tuple[str, ...]
    repermit: tuple[str, ...]
    remove: tuple[str, ...]
    unchanged: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What happened to one source. `failed` holds a sentence for each item that could not be read."""

    source: str
    root: str
    readers: Readers
    added: int
    replaced: int
    repermitted: int
    removed: int
    unchanged: int
    chunks: int
    failed: Mapping[str, str]
    skipped: tuple[str, ...]
    seconds: float


@dataclass(slots=True)
class _Tally:
    """What has happened so far."""

    failed: dict[str, str]
    added: int = 0
    replaced: int = 0
    removed: int = 0
    chunks: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one source is: `done` of `total` documents; `item` is the next."""

    source: str
    done: int
    total: int
    item: str


def plan(listed: Mapping[str, str], known: Mapping[str, Known], readers: Readers, recipe: str = RECIPE) -> SyncPlan:
    """Compare what is listed (item -> sha256 of its bytes) with what is live. Pure.

    An item whose content is not known any more (it could not be read) stands in `listed` with an empty hash: it is kept.
    A changed item whose readers changed too is in both `repermit`, which comes first, and `replace`.
    """
    same = {
        item
        for item, digest in listed.items()
        if item in known and digest in ("", known[item].content_sha256) and (not digest or known[item].recipe == recipe)
    }
    return SyncPlan(
        add=tuple(sorted(item for item, digest in listed.items() if item not in known and digest)),
        replace=tuple(sorted(item for item in listed if item in known and item not in same)),
        repermit=tuple(sorted(item for item in listed if item in known and known[item].readers != readers)),
        remove=tuple(sorted(known.keys() - listed.keys())),
        unchanged=tuple(sorted(item for item in same if known[item].readers == readers)),
    )


class Ingestor:
    """Ingests folders and files into an index."""

    def __init__(self, index: Index, on_progress: Callable[[Progress], None] = lambda _: None) -> None:
        self._index = index
        self._on_progress = on_progress

    def ingest(
        self, path: Path, *, readers: Readers | None = None, name: str = "", without: Collection[Path] = ()
    ) -> list[SyncReport]:
        """Bring the index to the present state of `path`, and of every source below it; one report each.

        `readers` None keeps the readers of a source that was ingested before, and is everybody for a new one. A folder
        inside an earlier source becomes a source of its own: its documents leave the earlier one first. A source that is
        ingested by its `name` from another path has moved there, if it is not at its former one any more. The trees in
        `without` are left out: sources of their own that could not be ingested, say.
        Raises SourceError before anything is changed if `path` is missing, empty, or cannot be listed.
        """
        with reading(self._index.engine) as connection:
            before = authority.sources(connection)
        root = self._resolve(path, before)
        mine = _same(before, root, name)
        apart = [source for source in before if Path(source.root) != root and Path(source.root).is_relative_to(root)]
        # 1. Everything is listed before anything is changed.
        listing = self._list(path, root, apart, without)
        nested = [(source, self._list_nested(source, apart)) for source in apart]
        wanted = readers or (mine.readers if mine else self._default_readers(before, root))
        source_name = name or (mine.name if mine else _free_name(root.name, before))
        # 2. What a killed run left is finished, and what changes hands leaves its former source.
        self._index.tidy(purge=False)
        self._take_over(before, root)
        with writing(self._index.engine) as connection:
            source_id = authority.put_source(connection, source_name, str(root), wanted)
            if mine and mine.root != str(root):
                authority.move_addresses(connection, source_id, mine.root, str(root))
        # 3. The sources, one by one.
        source = Source(source_id, source_name, str(root), wanted, None)
        return [self._sync(one, listed) for one, listed in [(source, listing), *nested]]

    def remove(self, name: str) -> int:
        """Remove a source with all its documents; returns how many. Raises SourceError if there is none of this name."""
        with reading(self._index.engine) as connection:
            before = authority.sources(connection)
            source = next((source for source in before if source.name == name), None)
            if source is None:
                known = ", ".join(source.name for source in before) or "none"
                raise SourceError(f"There is no source {name}: `kura status` lists them ({known}).")
            documents = [known.document_id for known in authority.manifest(connection, source.id).values()]
        self._index.tidy(purge=False)
        self._index.remove(documents)
        with writing(self._index.engine) as connection:
            authority.delete_source(connection, source.id)
        self._index.tidy(purge=True)
        return len(documents)

    @staticmethod
    def _resolve(path: Path, before: list[Source]) -> Path:
        try:
            return resolve(path)
        except SourceError as error:
            gone = next((source for source in before if source.root == str(path.absolute())), None)
            if gone is None:
                raise
            raise SourceError(
                f"{path} is not there any more, and its documents were kept: to remove them too, run `kura remove {gone.name}`."
            ) from error

    @staticmethod
    def _default_readers(before: list[Source], root: Path) -> Readers:
        """A folder inside an earlier source is read by that source's readers unless told otherwise; else by everybody."""
        parents = [source for source in before if root.is_relative_to(source.root)]
        nearest = max(parents, key=lambda source: len(source.root), default=None)
        return nearest.readers if nearest else Readers(frozenset({EVERYBODY}))

    @staticmethod
    def _list(path: Path, root: Path, apart: list[Source], without: Collection[Path]) -> Listing:
        left_out = {Path(source.root) for source in apart} | {tree.resolve() for tree in without}
        listing = list_items(root, SUFFIXES, left_out)
        if not listing.items and not apart:
            kinds = " ".join(sorted(SUFFIXES))
            found = f"only files of other kinds ({', '.join(listing.skipped[:3])})" if listing.skipped else "no file"
            raise SourceError(f"{path} holds {found}: put documents there ({kinds}). Nothing was changed.")
        return listing

    @staticmethod
    def _list_nested(source: Source, apart: list[Source]) -> Listing:
        root = Path(source.root)
        below = {Path(other.root) for other in apart if other.root != source.root}
        return list_items(root, SUFFIXES, below) if root.exists() else Listing(())

    def _take_over(self, before: list[Source], root: Path) -> None:
        """Remove from earlier sources what lies below `root`, before it comes back with readers of its own."""
        for source in before:
            outer = Path(source.root)
            if root == outer or not root.is_relative_to(outer):
                continue
            prefix = root.relative_to(outer).as_posix()
            with reading(self._index.engine) as connection:
                known = authority.manifest(connection, source.id)
            below = [one.document_id for item, one in known.items() if item == prefix or item.startswith(prefix + "/")]
            self._index.remove(below)

    def _sync(self, source: Source, listing: Listing) -> SyncReport:
        started = time.perf_counter()
        tally = _Tally(failed=dict(listing.unreadable))
        # 1. What is there, by content.
        items = {item.item: item for item in listing.items}
        listed = {item: self._hash(items[item], tally) for item in items}
        with reading(self._index.engine) as connection:
            known = authority.manifest(connection, source.id)
        todo = plan(listed, known, source.readers)
        # 2. Removal and re-permission: no model is touched, and they are done whatever happens later.
        self._index.remove([known[item].document_id for item in todo.remove])
        tally.removed = len(todo.remove)
        self._index.set_readers([known[item].document_id for item in todo.repermit], source.readers)
        # 3. New and changed documents, in batches.
        pending = [items[item] for item in (*todo.add, *todo.replace)]
        for batch in self._batches(source, pending, known, tally):
            self._index.put(source.id, batch)
            replaced = sum(one.item in known for one in batch)
            tally.replaced += replaced
            tally.added += len(batch) - replaced
            tally.chunks += sum(len(one.chunks) for one in batch)
        # 4. What was deleted is overwritten.
        self._index.tidy(purge=bool(tally.removed or tally.replaced))
        with writing(self._index.engine) as connection:
            authority.mark_synced(connection, source.id)
        return SyncReport(
            source=source.name,
            root=source.root,
            readers=source.readers,
            added=tally.added,
            replaced=tally.replaced,
            repermitted=len(todo.repermit),
            removed=tally.removed,
            unchanged=len(todo.unchanged),
            chunks=tally.chunks,
            failed=tally.failed,
            skipped=listing.skipped,
            seconds=time.perf_counter() - started,
        )

    @staticmethod
    def _hash(item: SourceItem, tally: _Tally) -> str:
        try:
            return sha256(read(item)).hexdigest()
        except (OSError, DocumentError) as error:
            tally.failed[item.item] = _sentence(item, error)
            return ""

    def _batches(
        self, source: Source, pending: list[SourceItem], known: Mapping[str, Known], tally: _Tally
    ) -> Iterator[list[Prepared]]:
        batch: list[Prepared] = []
        for done, item in enumerate(pending):
            self._on_progress(Progress(source.name, done, len(pending), item.item))
            try:
                batch.append(prepare(item, source.readers))
            except (OSError, DocumentError) as error:
                tally.failed[item.item] = _sentence(item, error)
                if item.item in known and isinstance(error, DocumentError):
                    # The file no longer says what is stored: answering from that would be answering from the past.
                    self._index.remove([known[item.item].document_id])
                    tally.removed += 1
            if sum(len(one.chunks) for one in batch) >= BATCH_CHUNKS:
                yield batch
                batch = []
        if batch:
            yield batch
        self._on_progress(Progress(source.name, len(pending), len(pending), ""))


def prepare(item: SourceItem, readers: Readers) -> Prepared:
    """Read, parse and split one item; raises DocumentError, or OSError if it cannot be read."""
    data = read(item)
    document = parse(item.item, data)
    return Prepared(
        item=item.item,
        address=str(item.path),
        readers=readers,
        document=document,
        chunks=tuple(split(document)),
        content_sha256=sha256(data).hexdigest(),
        recipe=RECIPE,
    )


def _sentence(item: SourceItem, error: Exception) -> str:
    if isinstance(error, OSError):
        return f"{item.item} cannot be read ({error.strerror}): check its permissions; what was stored of it is kept."
    return str(error)


def _same(before: list[Source], root: Path, name: str) -> Source | None:
    """The earlier source that is meant: the one at this root, else the one of this name, which then has moved here."""
    at_root = next((source for source in before if source.root == str(root)), None)
    named = next((source for source in before if source.name == name), None)
    if named is None or named == at_root:
        return at_root
    if at_root is not None or Path(named.root).exists():
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
