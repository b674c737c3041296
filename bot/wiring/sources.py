"""The sources of an installation, built from its settings. Nothing is listed or fetched before they are asked."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.errors import SettingsError
from bot.settings import Settings
from bot.settings_file import is_secret, masked
from bot.settings_sources import SourceSettings
from ingest.feeds import Feed
from ingest.parsing import ChildParser, ParseLimits
from ingest.sources import Source
from retrieval.access import Readers

if TYPE_CHECKING:
    from ingest.sources.uploads import Uploads

CACHES, UPLOADS = "sources", "uploads"
"""Folders inside the data folder: what sources remember between two syncs, and the files that were uploaded."""


@dataclass(frozen=True, slots=True)
class Configured:
    """A source of the settings. `path` is that of one that is a folder, "upload" included; `source` opens the others."""

    settings: SourceSettings
    path: Path | None
    source: Callable[[], Source] | None = None

    @property
    def name(self) -> str:
        return self.settings.name

    @property
    def readers(self) -> Readers:
        return Readers(frozenset(self.settings.readers), self.settings.discord)

    def feed(self, apart: Collection[Path] = ()) -> Feed:
        """The source, ready to be listed; a folder without the trees in `apart`.

        Raises SettingsError, SourceError for settings that are none.
        """
        chosen = self.settings
        return Feed(chosen.name, chosen.kind, self._open(apart), self.readers, chosen.language, chosen.kind == "upload")

    def _open(self, apart: Collection[Path]) -> Source:
        if self.source is not None:
            return self.source()
        from ingest.sources.folder import FolderSource

        path = self.path or Path()
        return FolderSource(path, include=self.settings.include, exclude=self.settings.exclude, apart=apart)


def configured(settings: Settings) -> list[Configured]:
    """Every source of the settings, in their order."""
    return [_configured(settings, one) for one in settings.sources]


def make_parser(settings: Settings) -> ChildParser:
    """What parses documents, in processes with limits that start at the first document."""
    chosen = settings.ingest
    limits = ParseLimits(seconds=chosen.parse_seconds, memory_bytes=chosen.parse_memory_mb * 2**20)
    return ChildParser(limits=limits, passage=chosen.passage, workers=chosen.workers)


def uploads(settings: Settings, name: str) -> Uploads | None:
    """Where the files of a source that is uploaded to are kept; None if there is no such source."""
    from ingest.sources.uploads import Uploads

    known = any(one.name == name and one.kind == "upload" for one in settings.sources)
    return Uploads(_own(settings, UPLOADS, name)) if known else None


def webhook_secret(chosen: SourceSettings) -> str:
    """The secret that pushes to a source are signed with; "" if it has none. Raises SettingsError for a bad file."""
    file = chosen.webhook_secret_file
    if file is None:
        return ""
    try:
        secret = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"sources.webhook_secret_file: {file} cannot be read: check it and its permissions."
        ) from error
    if not secret:
        raise SettingsError(f"sources.webhook_secret_file: {file} is empty: write the secret into it.")
    return secret


def forget_source(settings: Settings, name: str) -> None:
    """Remove what a source keeps in the data folder, configured or not: a copy of a repository, uploaded files."""
    for kind in (CACHES, UPLOADS):
        shutil.rmtree(_own(settings, kind, name), ignore_errors=True)


def _configured(settings: Settings, chosen: SourceSettings) -> Configured:
    if chosen.kind == "folder":
        return Configured(chosen, chosen.path)
    if chosen.kind == "upload":
        path = _own(settings, UPLOADS, chosen.name)
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return Configured(chosen, path)
    cache = _own(settings, CACHES, chosen.name)
    openers: dict[str, Callable[[], Source]] = {
        "git": lambda: _git(chosen, cache),
        "web": lambda: _web(chosen, cache),
        "loader": lambda: _loader(chosen),
    }
    return Configured(chosen, None, openers[chosen.kind])


def _own(settings: Settings, kind: str, name: str) -> Path:
    """A folder of a source's own: readable, and never the same for two names."""
    readable = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "_" for c in name)[:40]
    return settings.data_dir / kind / f"{readable}-{sha256(name.encode()).hexdigest()[:12]}"


def _git(chosen: SourceSettings, cache: Path) -> Source:
    from ingest.sources.git import GitSource

    return GitSource(
        chosen.repository,
        branch=chosen.branch,
        folder=chosen.folder,
        link=chosen.link,
        include=chosen.include,
        exclude=chosen.exclude,
        cache=cache,
    )


def _web(chosen: SourceSettings, cache: Path) -> Source:
    from ingest.sources.web import WebSource

    return WebSource(
        start=chosen.start,
        sitemap=chosen.sitemap,
        include=chosen.include,
        exclude=chosen.exclude,
        allow_hosts=chosen.allow_hosts,
        cache=cache,
    )


def _loader(chosen: SourceSettings) -> Source:
    from langchain_core.document_loaders import BaseLoader

    from bot.wiring.components import make_component
    from ingest.sources.component import ComponentSource, loader_address

    port: type[Any] = BaseLoader
    made = make_component(chosen.component, chosen.arguments, port, "sources.component")
    told = {key: value for key, value in masked(chosen.arguments).items() if not is_secret(key)}
    return ComponentSource(made, root=loader_address(chosen.component, told))
