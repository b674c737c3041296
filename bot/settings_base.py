"""What every table of settings is made of: frozen, no unknown keys, and the kinds of values that more than one has."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import pydantic_settings
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _names(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _named(value: Any) -> Any:
    if value == "":
        raise ValueError("the path is empty: name a folder or file, or leave the setting out")
    return value


NamedPath = Annotated[Path, BeforeValidator(_named)]
"""A path. An empty one would mean the working folder: it is a slip."""
Sha256 = Annotated[str, Field(pattern="^([0-9a-f]{64})?$")]
"""A checksum in lower-case hexadecimal, or none."""
Names = Annotated[tuple[str, ...], pydantic_settings.NoDecode, BeforeValidator(_names)]
"""A list of names; in the environment, separated by commas."""


class Section(BaseModel):
    """A table of settings."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def is_default(section: Section, key: str) -> bool:
    """Whether a key was left as it is when nobody sets it."""
    return bool(getattr(section, key) == type(section).model_fields[key].get_default(call_default_factory=True))


def go_with(section: Section, keys: Iterable[str], other: str) -> None:
    """Refuses a key that would do nothing."""
    for key in keys:
        if not is_default(section, key) and not getattr(section, other):
            raise ValueError(f"{key} goes with {other}, which is not set")
