"""The installed models: a folder of GGUF files, each with a small TOML card beside it. Knows no network and no engine.

The card is what makes a model installed, and it is written last; it goes first when the model is removed. Everything is
written under a hidden name and renamed, under a lock that only one process holds, so that a crash, a full disk or a
second process leaves a whole model or none. A linked model's file stays where it is and is never removed.
"""

from __future__ import annotations

import contextlib
import difflib
import errno
import fcntl
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import BinaryIO

from pydantic import BaseModel, ConfigDict, Field, model_validator

from models import catalogue, gguf
from models.cards import AnswerStyle, Kind, ModelCard, Pooling
from models.catalogue import PublishedModel
from models.errors import ModelConfigError, ModelFileError
from models.templates import NAMES

CARD, MODEL, ADAPTER = ".toml", ".gguf", ".adapter.gguf"
_NAME = re.compile(r"\w[\w.+-]*")
MAX_NAME = 120
"""Bytes; file systems take 255, and a suffix follows."""
DEFAULT_CONTEXT = 4096
_COPIED_AT_ONCE = 1 << 20


@dataclass(frozen=True, slots=True)
class Use:
    """How a model is to be used: the fields of `ModelCard` that its file does not tell."""

    kind: Kind = "chat"
    template: str = "chatml"
    answer_style: AnswerStyle = "generate"
    licence: str = ""
    context_length: int = 0
    """Tokens; 0 takes what the file says."""
    languages: frozenset[str] = field(default_factory=frozenset)
    pooling: Pooling = "file"
    query_prefix: str = ""
    passage_prefix: str = ""
    origin: str = ""
    """Where the file came from, for people."""

    @classmethod
    def like(cls, other: ModelCard | PublishedModel, *, origin: str = "") -> Use:
        """As another model is used."""
        return cls(
            **{each.name: getattr(other, each.name) for each in fields(cls) if each.name != "origin"}, origin=origin
        )


class _Card(BaseModel):
    """What stands in the TOML beside a model. A path without a folder lies in the library and belongs to it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    kind: Kind
    file: str = Field(min_length=1)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    licence: str = ""
    context_length: int = Field(ge=1)
    template: str = ""
    answer_style: AnswerStyle = "quote"
    languages: frozenset[str] = Field(default=frozenset(), strict=False)
    adapter: str = ""
    adapter_sha256: str = Field("", pattern="^([0-9a-f]{64})?$")
    pooling: Pooling = "file"
    query_prefix: str = ""
    passage_prefix: str = ""
    origin: str = ""

    @model_validator(mode="after")
    def _hangs_together(self) -> _Card:
        if self.kind == "chat" and self.template not in NAMES:
            raise ValueError(f"template: there is no chat template named {self.template!r}")
        for key in ("file", "adapter"):
            path = getattr(self, key)
            if not Path(path).is_absolute() and Path(path).name != path:
                raise ValueError(f"{key}: {path!r} is neither a file of this folder nor a whole path")
        return self


class Library:
    """The models in one folder, which is made when the first one comes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def names(self) -> list[str]:
        """Every installed model, sorted."""
        return sorted(path.stem for path in self.folder.glob("*" + CARD) if _NAME.fullmatch(path.stem))

    def card(self, name: str) -> ModelCard:
        """The installed model of this name. Raises ModelFileError suggesting near names; reads no model file."""
        card = self._read(name)
        adapter = self.folder / card.adapter if card.adapter else None
        return ModelCard(
            name=name,
            path=self.folder / card.file,
            adapter=adapter,
            **card.model_dump(exclude={"file", "adapter", "origin"}),
        )

    def origin(self, name: str) -> str:
        """Where its file came from; "" when that was not noted."""
        return self._read(name).origin

    def add(
        self,
        file: Path,
        use: Use,
        *,
        name: str = "",
        sha256: str = "",
        adapter: Path | None = None,
        link: bool = False,
    ) -> ModelCard:
        """Install a GGUF file of this machine by copying it, or with `link` where it is; named after the file.

        With `sha256` the file must have this checksum. Raises ModelFileError (no sound model file, no adapter of this
        model, a name that cannot be or is taken), ModelConfigError (no such template).
        """
        name = checked_name(name or file.stem)
        self.check_free(name, use)
        header = gguf.check(file, sha256)
        _check_fits(file, header, adapter)
        with self._told(), contextlib.ExitStack() as closing:
            parts = {MODEL: file} if adapter is None else {MODEL: file, ADAPTER: adapter}
            for suffix in () if link else tuple(parts):
                part = closing.enter_context(self.part(name))
                parts[suffix] = _copy(parts[suffix], part)
            sums = {suffix: gguf.checksum(path) for suffix, path in parts.items()}
            return self._install(name, use, header, parts, sums, link=link)

    def adopt(self, part: Path, use: Use, *, name: str, sha256: str = "") -> ModelCard:
        """Install a file that was made or fetched under a hidden name in this folder. Raises ModelFileError.

        `sha256` spares reading the file again, if the caller has just done so.
        """
        self.check_free(name, use)
        header = gguf.check(part)
        _check_fits(part, header, None)
        with self._told():
            return self._install(name, use, header, {MODEL: part}, {MODEL: sha256 or gguf.checksum(part)})

    def remove(self, name: str) -> list[Path]:
        """Uninstall a model and delete its files, but for a linked one's; returns what was deleted."""
        try:
            card = self._read(name)
            owned = [Path(each) for each in (card.file, card.adapter) if each and not Path(each).is_absolute()]
        except ModelConfigError:  # a spoiled card says nothing: what would be its own
            owned = [Path(name + MODEL), Path(name + ADAPTER)]
        with self._told(), self.locked():
            (self.folder / (name + CARD)).unlink(missing_ok=True)
            for path in owned:
                (self.folder / path).unlink(missing_ok=True)
        return [self.folder / path for path in owned]

    def verify(self, name: str) -> None:
        """Read the whole model file, and its adapter, again. Raises ModelFileError saying what differs."""
        card = self.card(name)
        gguf.check(card.path, card.sha256)
        if card.adapter is not None:
            gguf.check(card.adapter, card.adapter_sha256)

    @contextlib.contextmanager
    def part(self, name: str) -> Iterator[Path]:
        """A hidden file of this folder to write into, removed afterwards unless it was renamed.

        Its lock is held meanwhile: a file of a process that has died has none, and is swept away by the next one.
        """
        path = self.folder / f".{name}.{secrets.token_hex(4)}.part"
        with contextlib.ExitStack() as closing:
            with self.locked():
                self._sweep()
                fcntl.flock(closing.enter_context(path.open("xb")), fcntl.LOCK_EX)
            closing.callback(path.unlink, missing_ok=True)
            yield path

    @contextlib.contextmanager
    def locked(self, matter: str = "") -> Iterator[None]:
        """Hold the library, or one matter of it, against other processes; waits for its turn. Raises OSError."""
        self.make_folder()
        with (self.folder / f".{matter}lock").open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def make_folder(self) -> None:
        """Make the folder, for its owner alone, if it is not there. Raises OSError."""
        for folder in (self.folder.parent, self.folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def check_free(self, name: str, use: Use) -> None:
        """Raises ModelFileError for a name that cannot be or is taken, ModelConfigError for a template there is not."""
        if use.kind == "chat" and use.template not in NAMES:
            known = ", ".join(sorted(NAMES))
            raise ModelConfigError(f"There is no chat template named {use.template!r}; choose one of: {known}.")
        self._refuse_taken(checked_name(name))

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Faults of the file system as one sentence."""
        try:
            yield
        except OSError as error:
            raise ModelFileError(
                f"The model folder {self.folder} cannot be written ({error.strerror}): free some space or check its"
                " permissions, and try again."
            ) from error

    def _read(self, name: str) -> _Card:
        path = self.folder / (checked_name(name) + CARD)
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise ModelFileError(self._unknown(name)) from None
        except (OSError, UnicodeDecodeError) as error:
            raise ModelConfigError(
                f"The model card {path} cannot be read ({error}); remove it and add again."
            ) from error
        return catalogue.parse(_Card, text, path)

    def _unknown(self, name: str) -> str:
        installed = self.names()
        near = difflib.get_close_matches(name, installed, n=3, cutoff=0.4)
        if near:
            hint = f"did you mean {' or '.join(near)}?"
        elif any(model.name == name for model in catalogue.published()):
            hint = f"fetch it with `kura models pull {name}`."
        else:
            hint = "`kura models list` shows those there are."
        return f"There is no model named {name!r} in {self.folder}: {hint}"

    def _refuse_taken(self, name: str) -> None:
        if (self.folder / (name + CARD)).exists():
            raise ModelFileError(
                f"There is a model named {name} already: choose another --name, or run `kura models remove {name}` first."
            )

    def _install(
        self,
        name: str,
        use: Use,
        header: gguf.GgufHeader,
        parts: dict[str, Path],
        sums: dict[str, str],
        *,
        link: bool = False,
    ) -> ModelCard:
        files = {suffix: str(path.absolute()) if link else name + suffix for suffix, path in parts.items()}
        card = catalogue.checked(
            _Card,
            {
                **asdict(use),
                "file": files[MODEL],
                "sha256": sums[MODEL],
                "context_length": use.context_length or header.context_length or DEFAULT_CONTEXT,
                "template": use.template if use.kind == "chat" else "",
                "adapter": files.get(ADAPTER, ""),
                "adapter_sha256": sums.get(ADAPTER, ""),
            },
            self.folder / (name + CARD),
        )
        with self.part(name) as written:
            with written.open("wb") as file:
                file.write(_toml(card).encode())
                _to_disk(file)
            with self.locked():
                self._refuse_taken(name)
                for suffix, path in () if link else parts.items():
                    path.replace(self.folder / (name + suffix))
                written.replace(self.folder / (name + CARD))
                _folder_to_disk(self.folder)
        return self.card(name)

    def _sweep(self) -> None:
        """Delete what a process that died was writing."""
        for path in self.folder.glob(".*.part"):
            with contextlib.suppress(FileNotFoundError, BlockingIOError), path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()


def checked_name(name: str) -> str:
    """The name, if it can be one of a file in a folder and nothing else. Raises ModelFileError."""
    if not _NAME.fullmatch(name) or len(os.fsencode(name)) > MAX_NAME:
        raise ModelFileError(
            f"A model cannot be named {name[:MAX_NAME]!r}: use letters, digits, dots, plus signs, hyphens and underscores,"
            f" a letter or digit first, {MAX_NAME} bytes at most."
        )
    return name


def _check_fits(file: Path, header: gguf.GgufHeader, adapter: Path | None) -> None:
    if header.metadata.get("general.type") in ("adapter", "mmproj"):
        raise ModelFileError(
            f"The file {file} is no whole model but an addition to one; name the model, and give an adapter with --adapter."
        )
    if adapter is None:
        return
    added = gguf.check(adapter)
    if added.metadata.get("general.type") != "adapter":
        raise ModelFileError(
            f"The file {adapter} is no LoRA adapter; convert one with llama.cpp's convert_lora_to_gguf."
        )
    if added.architecture != header.architecture:
        raise ModelFileError(
            f"The adapter {adapter} was made for a model of the kind {added.architecture}, and {file.name} is"
            f" {header.architecture}; give the adapter of this model."
        )


def _copy(source: Path, target: Path) -> Path:
    """Copy a file's bytes and wait until they are on the disk. Raises OSError, ModelFileError for a full disk."""
    try:
        with source.open("rb") as read, target.open("wb") as written:
            shutil.copyfileobj(read, written, _COPIED_AT_ONCE)
            _to_disk(written)
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise ModelFileError(
                f"There is no room for {source.name} in {target.parent}: free {source.stat().st_size / 1e9:.1f} GB, or use"
                " the file where it is with --link."
            ) from error
        raise ModelFileError(f"{source} cannot be copied to {target.parent} ({error.strerror}); check both.") from error
    return target


def _to_disk(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _folder_to_disk(folder: Path) -> None:
    """So that a rename in it outlives a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _toml(card: _Card) -> str:
    """The card's fields that are set. A JSON string is a TOML string but for the one character that TOML wants escaped."""
    lines = []
    for key, value in card.model_dump(exclude_defaults=True).items():
        shown = sorted(value) if isinstance(value, frozenset) else value
        lines.append(f"{key} = {json.dumps(shown, ensure_ascii=False)}".replace("\x7f", "\\u007f"))
    return "\n".join(lines) + "\n"
