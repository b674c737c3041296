"""A reranker from a GGUF cross-encoder through llama.cpp. Knows no index and no search.

How a question and a passage stand in one sequence follows llama-server's /rerank: a "rerank" template in the file, or else
`[BOS] question [EOS] [SEP] passage [EOS]` with what the vocabulary says it wants of that. The template is no program: it is
cut at its two placeholders, and what comes between them is never taken for control tokens.
"""

from __future__ import annotations

import functools
import hashlib
import math
import mmap
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models import gguf
from models.errors import EngineFailed, ModelConfigError
from models.llamacpp_pooled import PooledContext, PooledModel
from models.templates import Segment, Vocabulary, tokens_of

_HEADS = (b"cls.output.weight", b"cls.weight")
_SOFTMAX = frozenset({"qwen3", "qwen3vl"})
"""Architectures whose two classes, yes and no, llama.cpp turns into probabilities itself."""
_SLOT = re.compile(r"( *)\{(query|document)\}")
_UNKNOWN = frozenset({"[UNK]", "<unk>"})


class LlamaReranker:
    """A `Reranker` over a GGUF file with a classification head. The model is loaded at first use.

    A question and a passage have `context_length` tokens together: the passage is cut, and a question longer than half of
    that. Scores are the model's probability that the passage answers. Close it after use.
    """

    def __init__(
        self, path: Path, *, sha256: str = "", context_length: int = 512, threads: int = 0, n_gpu_layers: int = 0
    ) -> None:
        self._path = path
        self._sha256 = sha256
        self._context_length = context_length
        self._model = PooledModel(
            path,
            sha256=sha256,
            pooling="rank",
            context_length=context_length,
            threads=threads,
            n_gpu_layers=n_gpu_layers,
        )

    @functools.cached_property
    def fingerprint(self) -> str:
        settings = f"{self._sha256 or gguf.checksum(self._path)}\0{self._context_length}"
        return f"gguf-rank-{hashlib.sha256(settings.encode()).hexdigest()[:12]}"

    def score(self, query: str, passages: Sequence[str]) -> list[float]:
        """As the port says, in one decode for many passages.

        Raises ModelFileError, ModelConfigError (not a reranker), EngineBusy (too many wait), EngineFailed.
        """
        if not passages:
            return []
        pairs, length, softmax = self._opened
        values = self._model.run(pairs.sequences(query, passages, length), urgent=True)
        return [self._probability(float(value[0]), softmax) for value in values]

    def close(self) -> None:
        """Give the memory back. May be called again."""
        self._model.close()

    @functools.cached_property
    def _opened(self) -> tuple[PairLayout, int, bool]:
        """How pairs are laid out, tokens of one, and whether llama.cpp's values are probabilities already."""
        context = self._model.opened()
        softmax = context.header.architecture in _SOFTMAX
        if not _has_head(self._path) or context.dimensions != (2 if softmax else 1):
            raise ModelConfigError(f"The model file {self._path} is not a reranker; choose a model made for reranking.")
        return _layout(context, self._path), context.length, softmax

    def _probability(self, value: float, softmax: bool) -> float:
        if not math.isfinite(value):
            raise EngineFailed(f"The reranker {self._path.name} gave a score that is no number; choose another model.")
        if softmax:
            return value
        power = math.exp(-abs(value))  # the logistic function, without overflow
        return (1.0 if value >= 0 else power) / (1.0 + power)


@dataclass(frozen=True, slots=True)
class PairLayout:
    """Fixed tokens before and after the two texts, in the order of the texts.

    `leads` are the blanks of the template before each text: they belong to the text's first word.
    """

    vocabulary: Vocabulary
    fixed: tuple[list[int], list[int], list[int]]
    leads: tuple[str, str] = ("", "")
    passage_first: bool = False

    def sequences(self, query: str, passages: Sequence[str], length: int) -> list[list[int]]:
        """One sequence of at most `length` tokens for each passage; no token of the texts is a control token."""
        room = length - sum(map(len, self.fixed))
        asked = self._plain(query, self.leads[self.passage_first])[: room // 2]
        before, between, after = self.fixed
        sequences = []
        for passage in passages:
            said = self._plain(passage, self.leads[not self.passage_first])[: room - len(asked)]
            first, second = (said, asked) if self.passage_first else (asked, said)
            sequences.append([*before, *first, *between, *second, *after])
        return sequences

    def _plain(self, text: str, lead: str) -> list[int]:
        return tokens_of([Segment(lead + text)], self.vocabulary)


def template_layout(template: str, vocabulary: Vocabulary) -> PairLayout | None:
    """The layout that a "rerank" template with `{query}` and `{document}` describes; None if it is no such template."""
    slots = list(_SLOT.finditer(template))
    if sorted(slot[2] for slot in slots) != ["document", "query"]:
        return None
    first, second = slots
    texts = template[: first.start()], template[first.end() : second.start()], template[second.end() :]
    before, between, after = (vocabulary.tokenize(text, special=True) for text in texts)
    return PairLayout(vocabulary, (before, between, after), (first[1], second[1]), first[2] == "document")


def _layout(context: PooledContext, path: Path) -> PairLayout:
    from models.llamacpp_model import native

    vocabulary, handle = _KnownVocabulary(context.vocabulary), context.vocabulary.handle
    template = native.llama_model_chat_template(context.model, b"rerank")
    if template is not None:
        layout = template_layout(template.decode(errors="replace"), vocabulary)
    else:
        separators = [token for token in [int(native.llama_vocab_sep(handle))] if token != native.LLAMA_TOKEN_NULL]
        end = int(native.llama_vocab_eos(handle))
        ends = [end] if end != native.LLAMA_TOKEN_NULL else separators
        ends = ends if native.llama_vocab_get_add_eos(handle) else []
        between = [*ends, *(separators if native.llama_vocab_get_add_sep(handle) else [])]
        start = [] if context.vocabulary.bos is None else [context.vocabulary.bos]
        layout = PairLayout(vocabulary, (start, between, ends)) if between else None
    if layout is None or sum(map(len, layout.fixed)) + 2 > context.length:
        raise ModelConfigError(
            f"The model file {path} does not say how a question and a passage are put together; choose another reranker."
        )
    return layout


class _KnownVocabulary:
    """A vocabulary in which the mark of an unknown word is a word: it stands for text and forges nothing."""

    def __init__(self, vocabulary: Any) -> None:
        self.special_tokens = {token: text for token, text in vocabulary.special_tokens.items() if text not in _UNKNOWN}
        self.tokenize = vocabulary.tokenize


def _has_head(path: Path) -> bool:
    """Whether a tensor of the file classifies: without one llama.cpp would hand out a piece of the embedding."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return any(content.find(struct.pack("<Q", len(name)) + name) >= 0 for name in _HEADS)
