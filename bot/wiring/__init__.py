"""Builds objects from settings: the only place that does. Called by the command line and by tests.

What is costly is built at first use: `kura status` loads no model, and an answer in the quote style no llama.cpp.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from bot.errors import SettingsError
from bot.settings import Settings
from bot.wiring.embedders import embedder_spec, make_embedder, reopen_embedder
from models.offline import forbid_telemetry
from retrieval.data_folder import DataFolder, make_private_folder

if TYPE_CHECKING:
    from langchain_core.callbacks import BaseCallbackHandler

    from bot.assistant import Assistant
    from bot.bridge import Bridge
    from bot.evaluation.gate import GoldenOutcome
    from bot.feedback import FeedbackBook
    from bot.generating import AnswerModel
    from bot.ingesting import Ingesting, IngestRequest
    from bot.prompting import SystemPrompt
    from bot.reporting import ReportPayload, ReportStore
    from bot.store import ConversationStore
    from ingest.freshness import Freshness
    from ingest.reports import Progress
    from retrieval.index import Index
    from retrieval.reranking import Reranking
    from retrieval.search import Searcher


REPORTS = "reports"
"""Folder of the reports of ingests, inside the data folder."""


@runtime_checkable
class Closing(Protocol):
    """Something that holds memory outside Python until it is closed."""

    def close(self) -> None: ...


class Kura:
    """Everything that works on one data folder, which this process holds; see `open_kura`."""

    def __init__(
        self,
        settings: Settings,
        closing: ExitStack,
        *,
        style: str | None = None,
        alone: bool = True,
        system: SystemPrompt | None = None,
        callbacks: Sequence[BaseCallbackHandler] = (),
    ) -> None:
        self.settings = settings
        self.closing = closing
        self._style = style
        self._alone = alone
        self._system = system
        self._callbacks = callbacks

    @cached_property
    def index(self) -> Index:
        from ingest.feeds import recipe
        from retrieval.index import Index

        embedder = make_embedder(self.settings)
        if isinstance(embedder, Closing):
            self.closing.callback(embedder.close)
        index = Index(
            self.settings.data_dir,
            embedder,
            recipe=recipe(self.settings.ingest.passage),
            spec=embedder_spec(self.settings),
            reopen=lambda spec: reopen_embedder(self.settings, spec),
        )
        self.closing.callback(index.close)
        return index

    @cached_property
    def searcher(self) -> Searcher:
        from bot.wiring.search import make_searcher

        return make_searcher(self.settings, self.index, reranking=self.reranking)

    @cached_property
    def reranking(self) -> Reranking | None:
        """What a reranker is asked with, if one is set; nothing is loaded yet."""
        from bot.wiring.rerankers import make_reranking

        return make_reranking(self.settings, self.closing, lambda: self.model.chat())  # noqa: PLW0108 - the model is made when it is asked

    @cached_property
    def freshness(self) -> Freshness:
        """Looks at the files that hits come from."""
        from ingest.freshness import freshness

        return freshness(self.index)

    @cached_property
    def model(self) -> AnswerModel:
        """The model that answers; nothing is loaded yet."""
        from bot.wiring.models import answer_model

        return answer_model(self.settings, self.closing, style=self._style, alone=self._alone, system=self._system)

    @cached_property
    def store(self) -> ConversationStore:
        from bot.store import ConversationStore

        store = ConversationStore(self.settings.data_dir)
        self.closing.callback(store.close)
        return store

    @cached_property
    def feedback(self) -> FeedbackBook:
        """What people say of answers they got."""
        from bot.feedback import FeedbackBook

        return FeedbackBook(self.store, self._bridge)

    @cached_property
    def assistant(self) -> Assistant:
        return self.assistant_with(self.searcher, self._bridge)

    def assistant_with(self, searcher: Searcher, bridge: Bridge, model: AnswerModel | None = None) -> Assistant:
        """An assistant that answers from what a searcher finds; bridge and `model` (default: ours) are one event loop's."""
        from bot.assistant import Assistant
        from bot.calibration.storing import Enough
        from bot.wiring.models import make_rewriter

        model, store = model or self.model, self.store
        return Assistant(
            searcher=searcher,
            store=store,
            bridge=bridge,
            model=model,
            callbacks=self._callbacks,
            freshness=self.freshness,
            enough=Enough(self.settings.data_dir, self.index),
            owners={source.name: source.owner for source in self.settings.sources if source.owner},
            rewriter=make_rewriter(self.settings, model),
        )

    @cached_property
    def _bridge(self) -> Bridge:
        from bot.bridge import Bridge

        made = Bridge()
        _ = self.index, self.model, self.store
        self.closing.callback(made.close)  # the first to close: what it runs stands on all the others
        return made

    @cached_property
    def ingesting(self) -> Ingesting:
        """What brings the sources of the settings up to date."""
        from bot.ingesting import Ingesting
        from bot.wiring.sources import configured, forget_source, make_parser

        def golden(former: int, made: int, on_progress: Callable[[Progress], None]) -> GoldenOutcome:
            from bot.wiring.golden import beside

            return beside(self, former, made, on_progress)

        parser = make_parser(self.settings)
        self.closing.callback(parser.close)
        return Ingesting(
            self.index,
            parser,
            configured(self.settings),
            most_removed=self.settings.ingest.most_removed,
            forget=lambda name: forget_source(self.settings, name),
            golden=golden,
        )

    def ingest(self, request: IngestRequest, on_progress: Callable[[Progress], None]) -> ReportPayload:
        """Carry out an ingest; its report is kept, unless nothing was to be done."""
        from bot.reporting import report_payload

        started = datetime.now(UTC)
        job = secrets.token_hex(8)
        outcome = self.ingesting.run(request, on_progress)
        if not request.dry_run:
            self.reports.put(job, outcome, started)
        return report_payload(job, outcome, started)

    @cached_property
    def reports(self) -> ReportStore:
        """What ingests did."""
        from bot.reporting import ReportStore

        return ReportStore(self.settings.data_dir / REPORTS)

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
def open_kura(
    settings: Settings,
    *,
    holder: str,
    style: str | None = None,
    alone: bool = True,
    system: SystemPrompt | None = None,
    callbacks: Sequence[BaseCallbackHandler] = (),
) -> Iterator[Kura]:
    """Hold the data folder, and build in it; everything is closed at the end. `holder` is what others are told.

    `alone` False is for a server: a local model runs in a process of its own, and answers several people at once.
    `system` is a prompt to try in place of the settings'; `callbacks` hear of each step of each answer.

    Raises DataFolderHeld, DataFolderError.
    """
    forbid_telemetry(os.environ)
    with ExitStack() as closing:
        closing.enter_context(DataFolder(settings.data_dir, holder=holder))
        yield Kura(settings, closing, style=style, alone=alone, system=system, callbacks=callbacks)


@contextmanager
def open_conversations(settings: Settings) -> Iterator[ConversationStore]:
    """The conversations of a data folder, for whoever owns it; a server may hold the folder meanwhile."""
    from bot.store import ConversationStore

    make_private_folder(settings.data_dir)
    store = ConversationStore(settings.data_dir)
    try:
        yield store
    finally:
        store.close()


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
