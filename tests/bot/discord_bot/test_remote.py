"""The platform behind a real server's HTTP API, on loopback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from bot.answers import Answer, Delta, Done, Nearest, Question, Queued, Refused, Searching, Sources, Timings, Usage
from bot.bridge import Bridge
from bot.discord_bot.payloads import answer_of
from bot.discord_bot.ports import SourceView
from bot.discord_bot.remote import RemotePlatform, ServerGone
from bot.errors import SettingsError
from bot.fakes import HOLD, ScriptedAssistant, ScriptedDocument, Step
from bot.feedback import Feedback, FeedbackBook
from bot.identity import BearerTokens, Client, discord_principal
from bot.ingesting import Outcome
from bot.jobs import IngestJobs
from bot.overview import Overview
from bot.payloads import answer_payload
from bot.reporting import ReportStore
from bot.store import ConversationStore
from bot.web.app import create_app
from bot.web.metrics import Metrics
from bot.web.ports import DiscordClients, Ingestion
from ingest.errors import SourceError
from models.errors import EngineBusy
from retrieval.access import Audience
from retrieval.errors import NotFound
from retrieval.filters import NO_FILTERS, Filters
from tests.bot.discord_bot.fakes import answer
from tests.bot.ingests import FakeIngests, sync_report
from tests.bot.web.loopback import serving

pytestmark = pytest.mark.real

BOT = "bot"
ASKER = discord_principal(7, ["人事", "hr", "board"])
QUESTION = Question("q1", "How much may a hotel cost?", ASKER, "discord:1:7", "discord", shared=True)
ANSWER = replace(answer(), trace_id="t9")


async def ready() -> None:
    """Nothing stands in the way."""


class Site:
    """A server with a bot's client, one that is none, and an assistant that follows a script."""

    def __init__(self, folder: Path, assistant: ScriptedAssistant, *, may_ingest: bool) -> None:
        self.assistant = assistant
        self.store, self.bridge = ConversationStore(folder), Bridge()
        reports = ReportStore(folder / "reports")
        outcome = Outcome((sync_report(),), {"plans": "/srv/plans cannot be read."})
        self.jobs = IngestJobs(FakeIngests(lambda *_: outcome), reports=reports)
        groups = frozenset({"hr", "人事"})
        tokens = BearerTokens(
            [
                Client("bot", groups, sha256(b"bot").hexdigest(), may_ingest=may_ingest, discord=True),
                Client("portal", groups, sha256(b"portal").hexdigest()),
            ]
        )
        overview = Overview(version="9", readiness=ready, engine=lambda: None, jobs=self.jobs, reports=reports)
        self.app: FastAPI = create_app(
            assistant=assistant,
            identify=tokens,
            readiness=ready,
            metrics=Metrics(),
            version="9",
            hosts=["127.0.0.1"],
            feedback=FeedbackBook(self.store, self.bridge),
            ingestion=Ingestion(self.jobs, reports, tokens.may_ingest),
            discord=DiscordClients(
                tokens.on_discord, tokens.may_ask_for_discord, overview.status, overview.last_ingest, ["handbook"]
            ),
        )

    def close(self) -> None:
        self.jobs.close()
        self.bridge.close()
        self.store.close()


@asynccontextmanager
async def site(
    folder: Path, *script: Step, client: str = "bot", may_ingest: bool = True, **assistant: Any
) -> AsyncIterator[tuple[RemotePlatform, Site]]:
    made = Site(folder, ScriptedAssistant(script, **assistant), may_ingest=may_ingest)
    try:
        async with serving(made.app) as port:
            platform = RemotePlatform(f"http://127.0.0.1:{port}/", client)
            try:
                yield platform, made
            finally:
                await platform.close()
    finally:
        made.close()


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(30):
            await test()

    asyncio.run(bounded())


def test_events_come_as_they_were_told_and_the_server_knows_who_asks(tmp_path: Path) -> None:
    told = [
        Searching("hotel limit"),
        Sources((Nearest("d1", "Travel policy", "handbook/travel.md", owner="People team"),), "hotel"),
        Queued(2, 3.5),
        Delta("A night costs at most 180 EUR."),
        Delta(" [1]\n\nline\rbreak"),
        Done(ANSWER),
    ]

    async def test() -> None:
        async with site(tmp_path, *told) as (platform, served):
            filters = Filters.read(["wiki"], ["en"], "2025-01-01", "2026")
            events = [event async for event in platform.ask(replace(QUESTION, filters=filters))]
            assert events == told
            [asked] = served.assistant.questions
            assert asked.principal == discord_principal(7, ["人事", "hr"])  # the client is in no board
            assert replace(asked, principal=ASKER) == replace(QUESTION, filters=filters)

    run(test)


def test_who_stops_listening_gives_the_model_free(tmp_path: Path) -> None:
    async def test() -> None:
        async with site(tmp_path, Searching("hotel limit"), HOLD) as (platform, served):
            events = platform.ask(QUESTION)
            assert await anext(events) == Searching("hotel limit")
            await served.assistant.holding.wait()
            await events.aclose()
            await served.assistant.closed.wait()

    run(test)


@pytest.mark.parametrize("before", [(), (Searching("hotel limit"),)])
def test_a_busy_model_is_a_busy_model_here_too(tmp_path: Path, before: tuple[Step, ...]) -> None:
    async def test() -> None:
        async with site(tmp_path, *before, EngineBusy("Too many questions: wait.", 7.0)) as (platform, _):
            with pytest.raises(EngineBusy, match="Too many questions: wait") as caught:
                _ = [event async for event in platform.ask(QUESTION)]
            assert caught.value.retry_after_s == 7.0

    run(test)


def test_a_refusal_is_one(tmp_path: Path) -> None:
    refused = Refused(replace(ANSWER, style="refusal", citations=(), nearest=(Nearest("d2", "Trains", "trains.md"),)))

    async def test() -> None:
        async with site(tmp_path, refused) as (platform, _):
            assert [event async for event in platform.ask(QUESTION)] == [refused]

    run(test)


def test_documents_sources_and_searches_are_the_persons(tmp_path: Path) -> None:
    seen = SourceView("handbook", 3, datetime(2026, 1, 2, 3, 4, tzinfo=UTC))
    hidden = SourceView("plans", 1, None)
    pay = ScriptedDocument("d 1?x", "Pay", "pay.md", "en", "G4: 9,800,000")

    async def test() -> None:
        given: dict[str, Mapping[Any, frozenset[str]]] = {
            "sources": {seen: frozenset({"人事"}), hidden: frozenset({"board"})},
            "documents": {pay: frozenset({"hr"})},
        }
        async with site(tmp_path, **given) as (platform, served):
            assert await platform.sources(principal=ASKER) == [seen]
            assert (await platform.document("d 1?x", principal=ASKER)).text == pay.text
            with pytest.raises(NotFound):
                await platform.document("d 1?x", principal=discord_principal(8))
            assert await platform.search("pay", principal=ASKER, k=5, filters=NO_FILTERS) == []
            assert served.assistant.searches[0][1].audience is Audience.DISCORD

    run(test)


def test_verdicts_counts_and_forgetting_reach_the_store(tmp_path: Path) -> None:
    async def test() -> None:
        async with site(tmp_path) as (platform, served):
            asker = discord_principal(7, ["hr"])
            given = Answer("q", "Q", "A", "quote", (), (), "m", Usage(), Timings(0, 0, 0), "a 1?", "t")
            served.store.save_turn(replace(QUESTION, principal=asker), "Q", given)
            await platform.put_feedback("a 1?", Feedback("down", "old", "new"), principal=asker)
            counts = await platform.statistics(7)
            assert (counts.days, counts.questions, counts.down) == (7, 1, 1)
            await platform.remove_feedback("a 1?", principal=asker)
            with pytest.raises(NotFound):
                await platform.put_feedback("a 1?", Feedback("up"), principal=discord_principal(8))
            assert await platform.forget(principal=asker) == 1
            assert (await platform.statistics(7)).questions == 0

    run(test)


def test_an_administrator_sees_how_kura_stands_and_begins_ingests(tmp_path: Path) -> None:
    async def test() -> None:
        async with site(tmp_path) as (platform, served):
            assert (await platform.status())[0] == "Kura 9 is ready."
            assert await platform.last_ingest() == ""
            job = begun = await platform.reingest("wiki", by=ASKER)
            while not job.over:
                job = await platform.job(begun.id)
            assert job.fault == "1 source could not be brought up to date: Kura's report says why."
            assert await platform.last_ingest() == begun.id
            assert served.jobs.recent()[0].by == "discord:7"
            with pytest.raises(SourceError, match="nowhere"):
                await platform.reingest("nowhere", by=ASKER)
            with pytest.raises(NotFound):
                await platform.job("none")

    run(test)


@pytest.mark.parametrize(("token", "why"), [("portal", "discord = true"), ("guessed", "not known")])
def test_a_token_that_may_not_ask_for_others_is_refused_in_a_sentence(tmp_path: Path, token: str, why: str) -> None:
    async def test() -> None:
        async with site(tmp_path, Done(ANSWER), client=token) as (platform, served):
            for act in (platform.check(), platform.sources(principal=ASKER), platform.forget(principal=ASKER)):
                with pytest.raises(SettingsError, match=why):
                    await act
            with pytest.raises(SettingsError):
                _ = [event async for event in platform.ask(QUESTION)]
            assert served.assistant.questions == []

    run(test)


def test_a_bot_that_may_not_ingest_is_told_so(tmp_path: Path) -> None:
    async def test() -> None:
        async with site(tmp_path, may_ingest=False) as (platform, _):
            await platform.check()
            with pytest.raises(SettingsError, match="ingest = true"):
                await platform.reingest("", by=ASKER)

    run(test)


def test_a_server_that_is_not_there_is_told_of_without_the_token(capsys: pytest.CaptureFixture[str]) -> None:
    async def test() -> None:
        platform = RemotePlatform("http://127.0.0.1:9", "very-secret")
        try:
            with pytest.raises(ServerGone, match="does not answer") as caught:
                await platform.sources(principal=ASKER)
            assert "very-secret" not in str(caught.value)
        finally:
            await platform.close()

    run(test)
    captured = capsys.readouterr()
    assert "127.0.0.1:9" in captured.out + captured.err
    assert "very-secret" not in captured.out + captured.err


def test_an_answer_survives_the_journey() -> None:
    cited = replace(ANSWER.citations[0], page=3, dated=date(2025, 4, 1), changed=True)
    whole = replace(ANSWER, citations=(cited,), thread="t", prompt="answer@1+ab")
    assert answer_of(json.loads(answer_payload(whole).model_dump_json())) == whole
