"""The published models worth having: one TOML card each in `models/published/`. Knows no file on this machine, no network.

A card says where a model's GGUF files are and how to use them; `models/download.py` fetches one on command.
"""

from __future__ import annotations

import difflib
import functools
import tomllib
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from models.cards import AnswerStyle, Kind, Pooling
from models.errors import ModelConfigError
from models.templates import NAMES

FOLDER = Path(__file__).parent / "published"

REPOSITORY = r"^[\w-][\w.-]*/[\w-][\w.-]*$"
FILE_NAME = r"^([\w-][\w.+-]*/)*[\w-][\w.+-]*\.gguf$"
Checksum = Annotated[str, Field(pattern="^([0-9a-f]{64})?$")]
_Card = TypeVar("_Card", bound=BaseModel)
Language = Annotated[str, Field(pattern="^[a-z]{2,3}$")]


class _Checked(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class PublishedFile(_Checked):
    """One GGUF file in a model's repository. `size` is in bytes, 0 when unknown; `sha256` is "" when unknown."""

    quant: str = Field(min_length=1)
    name: str = Field(pattern=FILE_NAME)
    size: int = Field(ge=0)
    sha256: Checksum


class PublishedModel(_Checked):
    """A model that can be pulled by its `name`. `cpu` and `gpu` are the quants recommended for each.

    `licence` is an SPDX identifier or the licence's name. The other fields mean what they mean in `ModelCard`.
    """

    name: str
    kind: Kind
    licence: str = Field(min_length=1)
    parameters: str = Field(pattern=r"^[0-9.]+[MB]$")
    languages: frozenset[Language] = Field(strict=False)
    context_length: int = Field(ge=512)
    template: str = ""
    answer_style: AnswerStyle = "quote"
    pooling: Pooling = "file"
    query_prefix: str = ""
    passage_prefix: str = ""
    note: str
    repository: str = Field(pattern=REPOSITORY)
    revision: str = Field(min_length=1)
    cpu: str
    gpu: str
    files: tuple[PublishedFile, ...] = Field(min_length=1, strict=False)

    @model_validator(mode="after")
    def _hangs_together(self) -> PublishedModel:
        quants = [file.quant for file in self.files]
        if len(set(quants)) != len(quants):
            raise ValueError("files: a quant is listed twice")
        for field in ("cpu", "gpu"):
            if getattr(self, field) not in quants:
                raise ValueError(f"{field}: there is no file of the quant {getattr(self, field)!r}")
        if self.kind == "chat" and self.template not in NAMES:
            raise ValueError(f"template: there is no chat template named {self.template!r}")
        return self

    def file(self, quant: str) -> PublishedFile:
        """The file of a quant, upper or lower case. Raises ModelConfigError naming those there are."""
        for file in self.files:
            if file.quant.lower() == quant.lower():
                return file
        known = ", ".join(file.quant for file in self.files)
        raise ModelConfigError(f"{self.name} is not published as {quant}; choose one of: {known}.")


def read(path: Path) -> PublishedModel:
    """The card in a TOML file, named after the file. Raises ModelConfigError naming the card and the field."""
    return parse(PublishedModel, path.read_text(encoding="utf-8"), path, name=path.stem)


def parse(kind: type[_Card], text: str, path: Path, **values: Any) -> _Card:
    """The TOML of `path` as a card of this kind. Raises ModelConfigError naming the card and the field."""
    try:
        values |= tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ModelConfigError(f"The model card {path} is not valid TOML ({error}); correct it.") from None
    return checked(kind, values, path)


def checked(kind: type[_Card], values: dict[str, Any], path: Path) -> _Card:
    """`values` as a card of this kind. Raises ModelConfigError naming the card and its first wrong field."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        field = ".".join(map(str, first["loc"]))
        said = first["msg"].removeprefix("Value error, ")
        told = f"{field}: {said}" if field else said
        raise ModelConfigError(f"The model card {path} is wrong ({told}); correct it.") from None


@functools.cache
def published(folder: Path = FOLDER) -> tuple[PublishedModel, ...]:
    """Every published model: chat, embedding, reranker, each kind by its size and name."""
    models = [read(path) for path in folder.glob("*.toml")]
    kinds = ("chat", "embedding", "reranker")
    return tuple(sorted(models, key=lambda model: (kinds.index(model.kind), _size(model), model.name)))


def find(name: str) -> PublishedModel:
    """The published model of this name. Raises ModelConfigError suggesting near ones."""
    models = {model.name: model for model in published()}
    if name in models:
        return models[name]
    near = difflib.get_close_matches(name.lower(), models, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else "`kura models list` shows those there are."
    raise ModelConfigError(f"There is no published model named {name!r}: {hint}")


def known(file_name: str) -> tuple[PublishedModel, PublishedFile] | None:
    """The published model, and its file, of this file name; None if there is none."""
    for model in published():
        for file in model.files:
            if Path(file.name).name == file_name:
                return model, file
    return None


def _size(model: PublishedModel) -> float:
    number, unit = float(model.parameters[:-1]), model.parameters[-1]
    return number * {"M": 1e6, "B": 1e9}[unit]
