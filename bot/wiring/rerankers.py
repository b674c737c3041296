"""The reranker of an installation, built from its settings. Nothing is loaded before its first use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from bot.errors import SettingsError
from bot.settings import Settings
from bot.wiring.embedders import model_library
from models.errors import ModelConfigError
from models.rerank import LikelihoodReranker, Reranker

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from retrieval.reranking import Reranking

MOST_READ = 512
"""Tokens of question and passage together that a cross-encoder reads at most: passages are shorter, and each token costs."""


def make_reranking(settings: Settings, stack: ExitStack, chat: Callable[[], BaseChatModel]) -> Reranking | None:
    """What search asks about its best hits, if a reranker is set; `chat` opens the model that answers.

    Raises SettingsError for one that cannot be, ModelFileError for a name that is not installed.
    """
    from retrieval.reranking import Reranking

    chosen = settings.rerank
    if chosen.likelihood and (settings.model.component or settings.model.servers):
        raise SettingsError(
            "rerank.likelihood: only a local model says how likely a question is, and the one that is set runs on a"
            " server: name a reranker in its place with rerank.name."
        )
    likelihood = ChatLikelihood(chat, deadline_s=chosen.deadline_s) if chosen.likelihood else None
    reranker = likelihood or make_file_reranker(settings, stack)
    if reranker is None:
        return None
    made = Reranking(reranker, candidates=chosen.candidates, deadline_s=chosen.deadline_s)
    stack.callback(made.close)
    return made


def make_file_reranker(settings: Settings, stack: ExitStack) -> Reranker | None:
    """The cross-encoder that is set, if one is. Raises as `make_reranking` does."""
    chosen = settings.rerank
    if not chosen.name and chosen.path is None:
        return None
    from models.llamacpp_rerank import LlamaReranker

    path, sha256, most = chosen.path, chosen.sha256, MOST_READ
    if path is None:
        card = model_library(settings).card(chosen.name)
        if card.kind != "reranker":
            raise SettingsError(f"rerank.name: {chosen.name} is of the kind {card.kind}: name a reranker.")
        path, sha256, most = card.path, card.sha256, min(MOST_READ, card.context_length)
    reranker = LlamaReranker(
        path,
        sha256=sha256,
        context_length=most,
        threads=settings.model.threads,
        n_gpu_layers=settings.model.gpu_layers,
    )
    stack.callback(reranker.close)
    return reranker


class ChatLikelihood:
    """A `Reranker` by the likelihoods of the chat model that answers, which is opened when it is first asked."""

    def __init__(self, chat: Callable[[], BaseChatModel], *, deadline_s: float) -> None:
        self._chat = chat
        self._deadline_s = deadline_s

    @property
    def fingerprint(self) -> str:
        """See `models.rerank.Reranker`."""
        return self._opened().fingerprint

    def score(self, query: str, passages: Sequence[str]) -> list[float]:
        """See `models.rerank.Reranker`; raises what opening the model raises, too."""
        return self._opened().score(query, passages)

    def _opened(self) -> LikelihoodReranker:
        from models.chat import ChatKura

        chat = self._chat()
        if not isinstance(chat, ChatKura):
            raise ModelConfigError(f"{type(chat).__name__} does not say how likely a text is: set rerank.name.")
        return LikelihoodReranker(
            chat.engine, template=chat.template, name=chat.model_name, deadline_s=self._deadline_s
        )
