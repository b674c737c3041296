"""Who asks, and who may read. Knows no credentials: `bot/identity.py` turns those into a `Principal`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum

EVERYBODY = "all"
"""The group that every principal is in."""


class Audience(StrEnum):
    """Where an answer will be seen."""

    COMPANY = "company"
    """Inside the company: command line, HTTP, web page."""
    DISCORD = "discord"
    """On Discord's servers, outside the company: only what is marked for it."""


@dataclass(frozen=True, slots=True)
class Readers:
    """Who may read a document: members of any of `groups`; on Discord only if `discord`."""

    groups: frozenset[str]
    discord: bool = False

    def __post_init__(self) -> None:
        if not self.groups or not all(self.groups):
            raise ValueError("readers need at least one group, and no group may have an empty name")

    @property
    def key(self) -> str:
        """A stable text form, equal for equal readers and for no others, whatever characters a group's name has."""
        return json.dumps([sorted(self.groups), self.discord], ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: an id, the groups they are in, and where the answer will be seen."""

    id: str
    groups: frozenset[str]
    audience: Audience = Audience.COMPANY

    def may_read(self, readers: Readers) -> bool:
        """True if at least one group is shared and the audience is allowed."""
        if self.audience is Audience.DISCORD and not readers.discord:
            return False
        return not self.groups.isdisjoint(readers.groups)
