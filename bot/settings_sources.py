"""The settings of ingestion: `[[sources]]` and `[ingest]`. Builds no source (`bot/wiring/sources.py` does)."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from bot.schedules import check_schedule
from bot.settings_base import NamedPath, Names, Section, is_default
from ingest.planning import MOST_REMOVED
from ingest.splitting import PASSAGE

Kind = Literal["folder", "git", "web", "upload", "loader"]

_KEYS: dict[Kind, tuple[str, ...]] = {
    # what each kind of source is told beside what all are told
    "folder": ("path", "include", "exclude", "watch"),
    "git": ("repository", "branch", "folder", "link", "include", "exclude", "webhook_secret_file"),
    "web": ("start", "sitemap", "allow_hosts", "include", "exclude"),
    "upload": ("include", "exclude"),
    "loader": ("component", "arguments"),
}
_NEEDED: dict[Kind, tuple[str, ...]] = {
    "folder": ("path",),
    "git": ("repository",),
    "web": ("start", "sitemap"),
    "upload": (),
    "loader": ("component",),
}
"""Of these at least one."""


class SourceSettings(Section):
    """What `kura ingest` reads when it is given no path: a folder, a git repository, a web site, uploads, or a loader."""

    name: str = Field(min_length=1, pattern=r"^[^\x00-\x1f/\\]+$", description="What people call it.")
    kind: Kind = Field("folder", description="`folder`, `git`, `web`, `upload` or `loader`.")
    readers: Names = Field(("all",), min_length=1, description="Groups that may read it; everybody is in `all`.")
    owner: str = Field(
        "",
        max_length=120,
        pattern=r"^[^\x00-\x1f\x7f]*$",
        description="Whom to ask about its documents, such as a team or a channel: a refusal names them.",
    )
    weight: float = Field(
        1.0,
        ge=0.1,
        le=10,
        description="What the scores of its passages are multiplied by: more than 1 puts them first.",
    )
    discord: bool = Field(False, description="Whether its text may be shown on Discord, outside the company.")
    language: Literal["", "en", "ja"] = Field("", description="What its documents are written in; empty: each tells.")
    schedule: str = Field(
        "",
        description="When `kura serve` brings it up to date: a cron line such as `*/15 * * * *`, `@hourly` or `@daily`.",
    )
    include: Names = Field((), description="Only what fits one of these patterns, written as in a `.gitignore`.")
    exclude: Names = Field((), description="Not what fits one of these patterns.")
    path: NamedPath | None = Field(None, description="folder: a folder, or one file.")
    watch: bool = Field(False, description="folder: whether `kura serve` takes in a change as soon as it is saved.")
    repository: str = Field("", description="git: a path, or an https or ssh address.")
    branch: str = Field("", description="git: the branch; empty: the repository's own choice.")
    folder: str = Field("", description="git: only what lies below this folder.")
    link: str = Field(
        "",
        description="git: how a link to a file is written, with `{commit}`, `{branch}` and `{path}`; known for GitHub and"
        " GitLab.",
    )
    webhook_secret_file: NamedPath | None = Field(
        None, description="git: a file with the secret that pushes told to `/v1/hooks/NAME` are signed with."
    )
    start: Names = Field((), description="web: the pages to start from.")
    sitemap: str = Field("", description="web: the address of a sitemap, in place of following links.")
    allow_hosts: Names = Field((), description="web: hosts that may have an address inside the company, `host:port`.")
    component: str = Field("", description="loader: a LangChain `BaseLoader` by dotted path.")
    arguments: dict[str, Any] = Field(default_factory=dict, description="loader: arguments of `component`.")

    @model_validator(mode="after")
    def _fits_its_kind(self) -> SourceSettings:
        for key in {key for keys in _KEYS.values() for key in keys} - set(_KEYS[self.kind]):
            if not is_default(self, key):
                kinds = " or ".join(kind for kind, keys in _KEYS.items() if key in keys)
                raise ValueError(f'{key} is for sources of kind = "{kinds}", and {self.name} is of kind "{self.kind}"')
        needed = _NEEDED[self.kind]
        if needed and not any(getattr(self, key) for key in needed):
            raise ValueError(f'{self.name} is of kind "{self.kind}" and needs {" or ".join(needed)}')
        if self.schedule:
            check_schedule(self.schedule)
        return self


class IngestSettings(Section):
    """How documents are read."""

    passage: int = Field(
        PASSAGE,
        ge=200,
        le=20_000,
        description="Characters a passage should not exceed (Japanese ones count twice). Another size makes a new index.",
    )
    most_removed: float = Field(
        MOST_REMOVED, ge=0, le=1, description="Share of a source's documents that may go at once unasked."
    )
    parse_seconds: float = Field(60.0, gt=0, le=3600, description="Seconds that reading one document may take.")
    parse_memory_mb: int = Field(1536, ge=512, le=65_536, description="Memory that reading one document may take.")
    workers: int = Field(1, ge=1, le=64, description="Documents read at once, each in a process of its own.")
