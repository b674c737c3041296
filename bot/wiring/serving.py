"""A server over an open Kura: the HTTP application, its jobs, schedules and watched folders, and Discord."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any

from bot.identity import BearerTokens, Client
from bot.ingesting import IngestRequest
from bot.jobs import IngestJobs
from bot.overview import Overview
from bot.schedules import Schedules
from bot.settings import Settings, discord_token
from bot.watching import watch
from bot.web.app import create_app
from bot.web.metrics import Metrics
from bot.web.ports import BackgroundTask, DiscordClients, Hook, Ingestion
from bot.wiring.handover import RunningServer
from bot.wiring.sources import uploads, webhook_secret
from bot.wiring.upkeep import make_upkeep
from retrieval.access import EVERYBODY

if TYPE_CHECKING:
    from bot.wiring import Kura

_PACKAGE = "kurabot"


@dataclass(frozen=True, slots=True)
class Served:
    """The HTTP application, and its jobs, which are closed first: whoever watches one is told that it ends."""

    app: Callable[..., Coroutine[Any, Any, None]]
    jobs: IngestJobs


def make_served(kura: Kura, server: RunningServer | None = None) -> Served:
    """The HTTP application, with Discord beside it when there is a token.

    `server` is where it listens: the command line on this machine hands its jobs over with the key in it.
    Raises SettingsError for a secret that cannot be read.
    """
    settings = kura.settings
    kura.ingesting.apply_readers()  # before the first question
    identify = BearerTokens(_clients(settings, server))
    metrics = Metrics(kura.assistant.engine_state, lambda: kura.reranking.state() if kura.reranking else None)
    jobs = IngestJobs(
        kura.ingesting,
        reports=kura.reports,
        upkeep=make_upkeep(kura, shared=True).run,
        ended=lambda job: metrics.ended_ingest(job) if job.kind == "ingest" else None,
    )
    kura.closing.callback(jobs.close)
    overview = make_overview(kura, jobs)
    token = "" if settings.discord.server else discord_token(settings)  # else `kura discord` is the bot
    background: list[BackgroundTask] = [kura.assistant.warm_up, *_upkeep(kura, jobs)]
    if token:
        from bot.discord_bot.supervise import run_discord
        from bot.wiring.discord import local_platform, make_desk

        desk = make_desk(settings, local_platform(kura, jobs, overview), kura.closing)
        background.append(lambda: run_discord(desk, token))
    hooks = {one.name: Hook(secret.encode(), one.branch) for one in settings.sources if (secret := webhook_secret(one))}
    files = {one.name: kept for one in settings.sources if (kept := uploads(settings, one.name))}
    app = create_app(
        assistant=kura.assistant,
        identify=identify,
        readiness=kura.readiness,
        metrics=metrics,
        version=metadata.version(_PACKAGE),
        hosts=frozenset(settings.server.hosts) | ({server.host} if server else frozenset()),
        feedback=kura.feedback,
        ingestion=Ingestion(
            jobs=jobs,
            reports=kura.reports,
            may_ingest=identify.may_ingest,
            may_name_paths=identify.may_name_paths,
            hooks=hooks,
            uploads=files,
        ),
        discord=DiscordClients(
            on_discord=identify.on_discord,
            may_ask=identify.may_ask_for_discord,
            status=overview.status,
            last_ingest=overview.last_ingest,
            shown=[one.name for one in settings.sources if one.discord],
        ),
        background=background,
    )
    return Served(app, jobs)


def make_overview(kura: Kura, jobs: IngestJobs) -> Overview:
    """How this Kura stands, for administrators and the health routes."""
    return Overview(
        version=metadata.version(_PACKAGE),
        readiness=kura.readiness,
        engine=kura.assistant.engine_state,
        jobs=jobs,
        reports=kura.reports,
    )


def _clients(settings: Settings, server: RunningServer | None) -> list[Client]:
    made = [
        Client(
            one.name,
            frozenset(one.groups) | {EVERYBODY},
            one.token_sha256,
            may_ingest=one.ingest,
            discord=one.discord,
        )
        for one in settings.server.clients
    ]
    if server is not None:
        key = server.key_sha256
        made.append(Client("command line", frozenset({EVERYBODY}), key, may_ingest=True, may_name_paths=True))
    return made


def _upkeep(kura: Kura, jobs: IngestJobs) -> list[BackgroundTask]:
    """What keeps the index fresh by itself: schedules, watched folders, and another generation if the settings want one."""
    sources = kura.settings.sources
    schedules = {one.name: one.schedule for one in sources if one.schedule}
    folders = {one.name: one.path for one in sources if one.watch and one.path}
    tasks: list[BackgroundTask] = []
    if schedules:
        tasks.append(Schedules(jobs, schedules).run)
    if folders:
        tasks.append(lambda: watch(folders, lambda name: _submit(jobs, name)))

    async def another_generation() -> None:
        from retrieval.building import Builder

        if await asyncio.to_thread(Builder(kura.index).wanted):
            jobs.submit(IngestRequest(), by="settings")

    return [*tasks, another_generation]


def _submit(jobs: IngestJobs, name: str) -> None:
    jobs.submit(IngestRequest(sources=(name,), watched=True), by="watch")
