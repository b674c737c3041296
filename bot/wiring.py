"""Builds objects from settings: the only place that does. Called by the command line and by tests.

What is costly is built at first use: `kura status` loads no model, and an answer in the quote style no llama.cpp.
"""

from __future__ import annotations

import importlib
import os
import socket
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, ExitStack, aclosing, contextmanager
from functools import cached_property
from hashlib import sha256
from importlib import metadata
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

from pydantic import ValidationError

from bot.errors import SettingsError
from bot.settings import Settings, discord_token
from bot.settings_file import MASK, is_secret, masked
from models.cards import ModelCard, local_chat, starter_chat
from models.embedders import Embedder, NamedEmbeddings, WordLlamaEmbeddings
from models.errors import EngineFailed, ModelError
from models.gguf import check
from models.offline import forbid_telemetry
from retrieval.access import EVERYBODY
from retrieval.data_folder import DataFolder

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import BaseMessage
    from langchain_core.runnables import RunnableConfig

    from bot.assistant import AnswerModel, Assistant
    from bot.bridge import Bridge
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
        from bot.store import ConversationStore

        model = self._answer_model()
        store = ConversationStore(self.settings.data_dir)
        self._closing.callback(store.close)
        self._closing.callback(self._bridge.close)  # the first to close: what it runs stands on all the others
        return Assistant(searcher=self.searcher, store=store, bridge=self._bridge, model=model)

    @cached_property
    def _bridge(self) -> Bridge:
        from bot.bridge import Bridge

        return Bridge()

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
        _ = self.assistant  # there already when a server asks
        await self._bridge.run(self.searcher.probe)

    def _answer_model(self) -> AnswerModel:
        from bot.assistant import AnswerModel

        chosen = self.settings.model
        if chosen.component:
            chat = make_component(chosen.component, chosen.arguments, _chat_port(), "model.component")
            return AnswerModel(
                name=chosen.component.rsplit(".", 1)[-1],
                style=_style(self._style or chosen.answer_style or "generate"),
                context_length=chosen.context_length,
                chat=lambda: cast("BaseChatModel", ServedChat(chat, chosen.component)),
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
    host = host.removeprefix("[").removesuffix("]")
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
        return ServedEmbeddings(component, name=_component_name(settings), languages=chosen.languages)
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
    except Exception as error:  # noqa: BLE001 - a component raises what it likes: it cannot be made
        # without its cause: a validator's error holds the arguments, and so the keys
        raise SettingsError(
            f"{key}: {path} cannot be made ({_said(error, arguments)}): check the path, its package and its arguments."
        ) from None
    if not isinstance(made, port):
        raise SettingsError(f"{key}: {path} is no {port.__name__}: name a class that is one.")
    return made


def _said(error: Exception, arguments: dict[str, Any]) -> str:
    """What an error says, without what it was given."""
    if isinstance(error, ValidationError):
        faults = error.errors(include_input=False, include_url=False, include_context=False)
        text = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in faults)
    else:
        text = f"{type(error).__name__}: {error}"
    for secret in sorted(_secrets(arguments), key=len, reverse=True):
        text = text.replace(secret, MASK)
    return str(masked(text))


def _secrets(value: Any, within: bool = False) -> Iterator[str]:
    if isinstance(value, dict):
        for key, one in value.items():
            yield from _secrets(one, within or is_secret(key))
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from _secrets(one, within)
    elif within and str(value):
        yield str(value)


def _component_name(settings: Settings) -> str:
    """What tells an embedder that is a component from others: its path and arguments. A new key is no new embedder."""
    arguments = masked(settings.embedder.arguments)
    told = sorted((key, value) for key, value in arguments.items() if not is_secret(key))
    return f"{settings.embedder.component} {told}"


def made_index(settings: Settings, fingerprint: str) -> bool:
    """Whether the embedder that is set has this fingerprint; calls no component to find out."""
    if settings.embedder.component:
        return fingerprint.endswith("-" + sha256(_component_name(settings).encode()).hexdigest()[:12])
    return fingerprint == make_embedder(settings).fingerprint


@contextmanager
def _served(key: str, path: str) -> Iterator[None]:
    """Whatever a component raises, as EngineFailed with its kind and without its text, which may quote key and prompt."""
    try:
        yield
    except ModelError:
        raise
    except Exception as error:
        raise EngineFailed(
            f"The model server of {key} ({path}) did not answer ({type(error).__name__}): check that it runs, its address"
            " and its key."
        ) from error


class ServedChat:
    """A chat component as the assistant calls it, its faults told in a sentence."""

    def __init__(self, chat: BaseChatModel, path: str) -> None:
        self._chat = chat
        self._path = path

    async def astream(
        self, messages: list[BaseMessage], config: RunnableConfig, **arguments: Any
    ) -> AsyncGenerator[BaseMessage, None]:
        """As the component's own."""
        chunks = cast("AsyncGenerator[BaseMessage, None]", self._chat.astream(messages, config, **arguments))
        async with aclosing(chunks):
            with _served("model.component", self._path):
                async for chunk in chunks:
                    yield chunk


class ServedEmbeddings(NamedEmbeddings):
    """An embedder component, its faults told in a sentence."""

    @cached_property
    def dimensions(self) -> int:
        with self._served():
            return super().dimensions

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        with self._served():
            return super().embed_documents(texts)

    def embed_query(self, text: str) -> list[float]:
        with self._served():
            return super().embed_query(text)

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        with self._served():
            return await super().aembed_documents(texts)

    async def aembed_query(self, text: str) -> list[float]:
        with self._served():
            return await super().aembed_query(text)

    def _served(self) -> AbstractContextManager[None]:
        return _served("embedder.component", type(self._embeddings).__name__)


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
