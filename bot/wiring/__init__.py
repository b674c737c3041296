"""Builds objects from settings: the only place that does. Called by the command line and by tests.

What is costly is built at first use: `kura status` loads no model, and an answer in the quote style no llama.cpp.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from importlib import metadata
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from bot.errors import SettingsError
from bot.settings import Settings, discord_token
from bot.wiring.models import answer_model, embedder_spec, make_embedder, reopen_embedder
from models.offline import forbid_telemetry
from retrieval.access import EVERYBODY
from retrieval.data_folder import DataFolder

if TYPE_CHECKING:
    from bot.assistant import Assistant
    from bot.bridge import Bridge
    from bot.ingesting import Ingesting
    from retrieval.index import Index
    from retrieval.search import Searcher


@runtime_checkable
class Closing(Protocol):
    """Something that holds memory outside Python until it is closed."""

    def close(self) -> None: ...


class Kura:
    """Everything that works on one data folder, which this process holds; see `open_kura`."""

    def __init__(self, settings: Settings, closing: ExitStack, *, style: str | None = None, alone: bool = True) -> None:
        self.settings = settings
        self._closing = closing
        self._style = style
        self._alone = alone

    @cached_property
    def index(self) -> Index:
        from ingest.sync import recipe
        from retrieval.index import Index

        embedder = make_embedder(self.settings)
        if isinstance(embedder, Closing):
            self._closing.callback(embedder.close)
        index = Index(
            self.settings.data_dir,
            embedder,
            recipe=recipe(self.settings.ingest.passage),
            spec=embedder_spec(self.settings),
            reopen=lambda spec: reopen_embedder(self.settings, spec),
        )
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
        from ingest.freshness import freshness

        model = answer_model(self.settings, self._closing, style=self._style, alone=self._alone)
        store = ConversationStore(self.settings.data_dir)
        self._closing.callback(store.close)
        self._closing.callback(self._bridge.close)  # the first to close: what it runs stands on all the others
        return Assistant(
            searcher=self.searcher,
            store=store,
            bridge=self._bridge,
            model=model,
            freshness=freshness(self.index),
        )

    @cached_property
    def _bridge(self) -> Bridge:
        from bot.bridge import Bridge

        return Bridge()

    @cached_property
    def ingesting(self) -> Ingesting:
        """What brings the sources of the settings up to date."""
        from bot.ingesting import Ingesting
        from bot.wiring.sources import configured, make_parser

        parser = make_parser(self.settings)
        self._closing.callback(parser.close)
        return Ingesting(self.index, parser, configured(self.settings), most_removed=self.settings.ingest.most_removed)

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


@contextmanager
def open_kura(settings: Settings, *, holder: str, style: str | None = None, alone: bool = True) -> Iterator[Kura]:
    """Hold the data folder, and build in it; everything is closed at the end. `holder` is what others are told.

    `alone` False is for a server: a local model runs in a process of its own, and answers several people at once.

    Raises DataFolderHeld, DataFolderError.
    """
    forbid_telemetry(os.environ)
    with ExitStack() as closing:
        closing.enter_context(DataFolder(settings.data_dir, holder=holder))
        yield Kura(settings, closing, style=style, alone=alone)


def web_app(kura: Kura) -> Callable[..., Coroutine[Any, Any, None]]:
    """The HTTP application over an open Kura, with Discord beside it when there is a token."""
    from bot.identity import BearerTokens, Client
    from bot.web.app import create_app
    from bot.web.metrics import Metrics

    clients = [Client(c.name, frozenset(c.groups) | {EVERYBODY}, c.token_sha256) for c in kura.settings.server.clients]
    token = discord_token(kura.settings)
    background = [kura.assistant.warm_up]
    if token:
        from bot.discord_bot.supervise import run_discord

        background.append(lambda: run_discord(kura.assistant, token))
    return create_app(
        assistant=kura.assistant,
        identify=BearerTokens(clients),
        readiness=kura.readiness,
        metrics=Metrics(kura.assistant.engine_state),
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
