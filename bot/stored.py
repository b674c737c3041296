"""Which sources the index holds, beside those that are configured. Reads SQLite only, and so beside a server too.

Knows no front end, and does not look whether documents are as their sources have them (`bot/verifying.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from bot.errors import SettingsError
from bot.ingesting import ConfiguredSource
from bot.settings import Settings
from ingest.errors import IngestError
from ingest.feeds import Feed
from ingest.verification import SourceProof, orphans
from retrieval import authority
from retrieval.authority import Source
from retrieval.checking import StoredSource
from retrieval.database import open_database, reading
from retrieval.index import DATABASE, MIGRATIONS


def stored(settings: Settings) -> list[Source]:
    """Every source that was ingested and not removed, by name. Raises IndexDamaged, DataFolderError."""
    if not (settings.data_dir / DATABASE).is_file():
        return []
    engine = open_database(settings.data_dir / DATABASE, MIGRATIONS)
    try:
        with reading(engine) as connection:
            return authority.sources(connection)
    finally:
        engine.dispose()


def unconfigured(settings: Settings, configured: Callable[[], Iterable[ConfiguredSource]]) -> list[SourceProof]:
    """What is stored and comes from nowhere: sources that no setting stands for; `unreachable` is the sentence.

    `configured` gives those of the settings; it is asked only where one of them may be what is stored under another name.
    A folder may have been ingested by its path and is none of them. Raises as `stored` does.
    """
    names = {one.name for one in settings.sources}
    # Only a name that no setting has may be one: of most installations no source is opened here.
    unnamed = [StoredSource(one, {}) for one in stored(settings) if one.kind != "folder" and one.name not in names]
    feeds = _feeds(configured()) if unnamed else []
    try:
        return list(orphans(feeds, unnamed))
    finally:
        for feed in feeds:
            feed.source.close()


def _feeds(sources: Iterable[ConfiguredSource]) -> list[Feed]:
    """The sources that can be opened."""
    feeds: list[Feed] = []
    for source in sources:
        try:
            feeds.append(source.feed())
        except (IngestError, SettingsError):  # the ingest says why; whatever it is, its name is another
            continue
    return feeds
