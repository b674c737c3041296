"""Embedders: what retrieval asks of one, and the starter that is installed with Kura.

Knows no index, and not LangChain (`models/langchain_embeddings.py`), which takes half a second to import. Vectors are unit
norm, so that a dot product is a cosine.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import importlib.util
import logging
import math
import threading
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from models import gguf
from models.errors import EngineFailed, ModelFileError

if TYPE_CHECKING:
    import numpy as np

STARTER_PACKAGE = "wordllama"
STARTER_WEIGHTS = "weights/l2_supercat_256.safetensors"
STARTER_TOKENIZER = "tokenizers/l2_supercat_tokenizer_config.json"
STARTER_DIMENSIONS = 256
KNOWN_WORDS, LONGEST_KNOWN = 100_000, 32
"""Words, and characters of a word, of which the starter's tokens are kept: some tens of megabytes."""


class Embedder(Protocol):
    """LangChain's `Embeddings`, and what an index must know to keep the vectors of two embedders apart."""

    @property
    def fingerprint(self) -> str:
        """Equal in two runs exactly if the same text gets the same vector; safe as part of a file's name."""

    @property
    def dimensions(self) -> int:
        """Length of a vector."""

    @property
    def languages(self) -> frozenset[str]:
        """ISO 639-1 codes of the languages it is any good at; empty means unknown."""

    @property
    def instant(self) -> bool:
        """Whether a hundred sentences take it a few milliseconds, so that what a search found can be embedded piece by piece."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]: ...
    def embed_query(self, text: str) -> list[float]: ...
    async def aembed_documents(self, texts: list[str]) -> list[list[float]]: ...
    async def aembed_query(self, text: str) -> list[float]: ...


class StarterEmbedder:
    """The starter: the mean of static token vectors (WordLlama l2_supercat, MIT), 256 dimensions, English.

    Loaded at first use, offline, from the files inside the package. A text without any token gets a vector too.
    Raises ModelFileError if the package is not installed or a file of it is missing.
    """

    dimensions = STARTER_DIMENSIONS
    languages = frozenset({"en"})
    instant = True

    def __init__(self) -> None:
        self._loading = threading.Lock()
        self._model: Any = None
        self._words: _Words

    @functools.cached_property
    def fingerprint(self) -> str:
        folder = _starter_folder()
        digest = hashlib.sha256()
        for name in (STARTER_WEIGHTS, STARTER_TOKENIZER):
            digest.update(gguf.checksum(folder / name).encode())
        return f"wordllama-{self.dimensions}-{digest.hexdigest()[:12]}"

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """One unit vector of 256 numbers for each text."""
        model, words = self._loaded()
        # Pooled text by text: padding a batch to its longest text would take gigabytes for a long one.
        return [unit(_mean(model.embedding, _tokens(text, words), self.dimensions)) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        return await asyncio.to_thread(self.embed_documents, texts)

    async def aembed_query(self, text: str) -> list[float]:
        return await asyncio.to_thread(self.embed_query, text)

    def _loaded(self) -> tuple[Any, _Words]:
        with self._loading:
            if self._model is None:
                self._model = _load_starter(_starter_folder())
                self._words = _Words(self._model.tokenizer)
            return self._model, self._words


class _Words(dict[str, list[int]]):
    """The tokens of words; most were seen before."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    def __missing__(self, word: str) -> list[int]:
        tokens: list[int] = self._tokenizer.encode(word, add_special_tokens=False).ids
        if len(word) <= LONGEST_KNOWN:
            if len(self) >= KNOWN_WORDS:
                self.clear()
            self[word] = tokens
        return tokens


def _tokens(text: str, words: _Words) -> list[int]:
    """The tokens of a text, word by word: the same as of the whole.

    No token of this vocabulary goes over a single space, and each word begins as a text does. Words with a `<` may spell a
    special token, which ends a text; runs of spaces, which `▁` stands for, are tokens of their own. Such texts are taken
    whole.
    """
    whole = "<" in text or "▁" in text or "  " in text or text[:1] == " " or text[-1:] == " "
    return list(chain.from_iterable(map(words.__getitem__, [text] if whole else text.split(" "))))


def unit(vector: Sequence[float] | np.ndarray) -> list[float]:
    """The vector at length 1 and in float32's numbers; a zero or broken one becomes the first axis, near nothing."""
    import numpy as np

    array = np.asarray(vector, dtype=np.float32)
    norm = float(np.linalg.norm(array))
    if not norm or not math.isfinite(norm):
        array, norm = np.zeros_like(array), 1.0
        array[0] = 1.0
    values: list[float] = (array / np.float32(norm)).tolist()
    return values


def _mean(table: np.ndarray, tokens: list[int], dimensions: int) -> np.ndarray:
    import numpy as np

    if not tokens:
        return np.zeros(dimensions, np.float32)
    mean: np.ndarray = table.take(tokens, axis=0).mean(axis=0)
    return mean


def _starter_folder() -> Path:
    spec = importlib.util.find_spec(STARTER_PACKAGE)
    folders = list(spec.submodule_search_locations or ()) if spec else []
    if not folders:
        raise ModelFileError("The starter embedder is not installed: install the package wordllama.")
    for name in (STARTER_WEIGHTS, STARTER_TOKENIZER):
        if not (Path(folders[0]) / name).is_file():
            raise ModelFileError(f"The starter embedder's file {name} is missing: install the package wordllama again.")
    return Path(folders[0])


def _load_starter(folder: Path) -> Any:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        from wordllama import WordLlama

        model = WordLlama.load(cache_dir=folder, dim=STARTER_DIMENSIONS, disable_download=True)
    except Exception as error:  # the package raises whatever its parts raise: say which model it was
        raise EngineFailed(
            f"The starter embedder does not load ({type(error).__name__}); install the package wordllama again."
        ) from error
    finally:  # importing that package sets up the root logger; the logs are ours to set up
        root.handlers[:] = handlers
        root.setLevel(level)
    model.tokenizer.no_padding()
    return model
