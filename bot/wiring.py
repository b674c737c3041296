"""Builds objects from settings: the only place that does. Called by the command line and by tests.

What is costly is built at first use: `kura status` loads no model, and an answer in the quote style no llama.cpp.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import socket
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from importlib import metadata
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from bot.errors import SettingsError
from bot.settings import Settings, discord_token
from models.cards import ModelCard, local_chat, starter_chat
from models.embedders import Embedder, NamedEmbeddings, WordLlamaEmbeddings
from models.gguf import check
from models.offline import forbid_telemetry
from retrieval.access import EVERYBODY
from retrieval.data_folder import DataFolder

if TYPE_CHECKING:
    from bot.assistant import AnswerModel, Assistant
    from ingest.sync import Ingestor, Progress
    from retrieval.index import Index
    from retrieval.search import Searcher


@runtime_checkable
class Closing(Protocol):
    """Something that holds memory outside Python until it is closed."""

    def close(self) -> None: ...


class Kura:
    """Everything that works on one data folder, which this process holds; see `open_kura`."""

    def __init__(self, settings: Settings, closing: ExitStack, *, style: str | None = None) -> None:
        self.settings = settings
        self._closing = closing
        self._style = style

    @cached_property
    def index(self) -> Index:
        from retrieval.index import Index

        embedder = make_embedder(self.settings)
        if isinstance(embedder, Closing):
            self._closing.callback(embedder.close)
        index = Index(self.settings.data_dir, embedder)
        self._closing.callback(index.close)
        return index

    @cached_property
    def searcher(self) -> Searcher:
        from retrieval.search import Searcher

        return Searcher(self.index)

    @cached_property
    def assistant(self) -> Assistant:
        from bot.assistant import Assistant
        from bot.bridge import Bridge
        from bot.store import ConversationStore

        model = self._answer_model()
        store = ConversationStore(self.settings.data_dir)
        self._closing.callback(store.close)
        bridge = Bridge()
        self._closing.callback(bridge.close)
        return Assistant(searcher=self.searcher, store=store, bridge=bridge, model=model)

    def ingestor(self, on_progress: Callable[[Progress], None]) -> Ingestor:
        """An ingestor into this folder's index."""
        from ingest.sync import Ingestor

        return Ingestor(self.index, on_progress)

    def is_empty(self) -> bool:
        """Whether nothing was ever ingested."""
        from retrieval import authority
        from retrieval.database import reading

        with reading(self.index.engine) as connection:
            return not authority.sources(connection)

    async def readiness(self) -> None:
        """Returns once a question could be answered; raises what stands in the way."""
        await asyncio.to_thread(self._probe)

    def _probe(self) -> None:
        self.searcher.probe()
        _ = self.assistant

    def _answer_model(self) -> AnswerModel:
        from bot.assistant import AnswerModel

        chosen = self.settings.model
        if chosen.component:
            chat = make_component(chosen.component, chosen.arguments, _chat_port(), "model.component")
            return AnswerModel(
                name=chosen.component.rsplit(".", 1)[-1],
                style=_style(self._style or chosen.answer_style or "generate"),
                context_length=chosen.context_length,
                chat=lambda: chat,
                count_tokens=estimate_tokens,
                arguments=lambda _, most: {"max_tokens": most},
            )
        card = model_card(self.settings)
        check(card.path, card.sha256)
        return self._local_model(card)

    def _local_model(self, card: ModelCard) -> AnswerModel:
        from bot.assistant import AnswerModel
        from models.chat import ChatKura
        from models.llamacpp import LlamaEngine
        from models.templates import Segment

        chosen = self.settings.model
        context_length = min(chosen.context_length, card.context_length)
        engine = LlamaEngine(
            card, context_length=context_length, threads=chosen.threads, n_gpu_layers=chosen.gpu_layers
        )
        self._closing.callback(engine.close)
        chat = ChatKura(engine=engine, model_name=card.name, template=card.template)

        def loaded() -> ChatKura:
            engine.load()
            return chat

        return AnswerModel(
            name=card.name,
            style=_style(self._style or chosen.answer_style or card.answer_style),
            context_length=context_length,
            chat=loaded,
            count_tokens=lambda text: engine.count_tokens([Segment(text)]),
            arguments=lambda principal, most: {
                "principal_key": f"{principal.audience}/{principal.id}",
                "max_tokens": most,
            },
        )


@contextmanager
def open_kura(settings: Settings, *, holder: str, style: str | None = None) -> Iterator[Kura]:
    """Hold the data folder, and build in it; everything is closed at the end. `holder` is what others are told.

    Raises DataFolderHeld, DataFolderError.
    """
    forbid_telemetry(os.environ)
    with ExitStack() as closing:
        closing.enter_context(DataFolder(settings.data_dir, holder=holder))
        yield Kura(settings, closing, style=style)


def web_app(kura: Kura) -> Callable[..., Coroutine[Any, Any, None]]:
    """The HTTP application over an open Kura, with Discord beside it when there is a token."""
    from bot.identity import BearerTokens, Client
    from bot.web.app import create_app
    from bot.web.metrics import Metrics

    clients = [Client(c.name, frozenset(c.groups) | {EVERYBODY}, c.token_sha256) for c in kura.settings.server.clients]
    token = discord_token(kura.settings)
    background = []
    if token:
        from bot.discord_bot.supervise import run_discord

        background.append(lambda: run_discord(kura.assistant, token))
    return create_app(
        assistant=kura.assistant,
        identify=BearerTokens(clients),
        readiness=kura.readiness,
        metrics=Metrics(),
        version=metadata.version("kurabot"),
        hosts=frozenset(kura.settings.server.hosts),
        background=background,
    )


@contextmanager
def listen(host: str, port: int) -> Iterator[socket.socket]:
    """A listening socket; raises SettingsError if the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, port))
            listening.listen(128)
        except OSError as error:
            raise SettingsError(
                f"Port {port} of {host} cannot be listened on ({error.strerror}): stop what uses it, or choose another --port."
            ) from error
        yield listening


def model_card(settings: Settings) -> ModelCard:
    """The card of the chat model that is set; raises ModelFileError if the starter is not installed."""
    chosen = settings.model
    if chosen.path is None:
        return starter_chat()
    return local_chat(chosen.path, template=chosen.template, context_length=chosen.context_length, sha256=chosen.sha256)


def make_embedder(settings: Settings) -> Embedder:
    """The embedder that is set; nothing is loaded yet."""
    chosen = settings.embedder
    if chosen.component:
        from langchain_core.embeddings import Embeddings

        component = make_component(chosen.component, chosen.arguments, Embeddings, "embedder.component")
        name = f"{chosen.component} {sorted(chosen.arguments.items())}"
        return NamedEmbeddings(component, name=name, languages=chosen.languages)
    if chosen.path is None:
        return WordLlamaEmbeddings()
    from models.llamacpp_embed import LlamaEmbeddings

    return LlamaEmbeddings(
        chosen.path,
        sha256=chosen.sha256,
        query_prefix=chosen.query_prefix,
        passage_prefix=chosen.passage_prefix,
        threads=settings.model.threads,
        n_gpu_layers=settings.model.gpu_layers,
        languages=chosen.languages,
    )


def make_component(path: str, arguments: dict[str, Any], port: type[Any], key: str) -> Any:
    """A LangChain component by its dotted path; raises SettingsError naming the key if it cannot be made."""
    module_name, _, name = path.rpartition(".")
    try:
        made = getattr(importlib.import_module(module_name), name)(**arguments)
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        raise SettingsError(
            f"{key}: {path} cannot be made ({error}): check the path, its package and its arguments."
        ) from error
    if not isinstance(made, port):
        raise SettingsError(f"{key}: {path} is no {port.__name__}: name a class that is one.")
    return made


def estimate_tokens(text: str) -> int:
    """At least as many tokens as any tokenizer in use makes of a text: one for three bytes of it, rounded up.

    For models whose tokenizer is not here. English has about four bytes a token, Japanese about three.
    """
    return len(text.encode()) // 3 + 1


def _chat_port() -> type[Any]:
    from langchain_core.language_models import BaseChatModel

    return BaseChatModel


def _style(name: str) -> Any:
    if name not in ("quote", "generate"):
        raise SettingsError(f"There is no answer style {name!r}: use quote or generate.")
    return name
