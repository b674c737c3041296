"""The platform in this process, over a real index: what a person on Discord gets of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.answers import Done, Question
from bot.assistant import Assistant
from bot.bridge import Bridge
from bot.discord_bot.local import LocalPlatform
from bot.discord_bot.ports import JobView, Platform
from bot.feedback import Feedback, FeedbackBook
from bot.generating import AnswerModel
from bot.identity import discord_principal
from bot.ingesting import Outcome
from bot.jobs import IngestJobs
from bot.overview import Overview
from bot.reporting import ReportStore
from bot.store import ConversationStore
from ingest.errors import SourceError
from ingest.fakes import InlineParser
from ingest.folders import Folders
from ingest.sync import Ingestor
from models.fakes import HashingEmbeddings, ScriptedChat
from retrieval.access import Readers
from retrieval.errors import NotFound
from retrieval.filters import NO_FILTERS
from retrieval.index import Index
from retrieval.search import Searcher
from tests.bot.ingests import PATIENCE_S, FakeIngests, sync_report

ASKER = discord_principal(7)
IN_HR = discord_principal(8, ["hr"])
HOTEL = "What is the hotel limit per night?"


def no_chat() -> ScriptedChat:
    raise AssertionError("the quote style ran the model")


async def ready() -> None:
    """Nothing stands in the way."""


class House:
    """A data folder with three sources, one of them not for Discord, and the platform over it."""

    def __init__(self, folder: Path, outcome: Outcome) -> None:
        texts = {
            "travel": ("The hotel limit is 180 EUR per night in Europe.", Readers(frozenset({"all"}), discord=True)),
            "pay": ("The top of the G4 band is 9,800,000 yen.", Readers(frozenset({"hr"}), discord=True)),
            "plans": ("The merger plans are secret.", Readers(frozenset({"all"}))),
        }
        (folder / "data").mkdir()
        self.index = Index(folder / "data", HashingEmbeddings())
        for name, (text, readers) in texts.items():
            (folder / name).mkdir()
            (folder / name / f"{name}.md").write_text(f"# {name}\n\n{text}\n", encoding="utf-8")
            Folders(Ingestor(self.index, InlineParser())).ingest(folder / name, readers=readers)
        self.store, self.bridge = ConversationStore(folder / "data"), Bridge()
        reports = ReportStore(folder / "reports")
        self.over = threading.Semaphore(0)
        self.jobs = IngestJobs(FakeIngests(lambda *_: outcome), reports=reports, ended=lambda _: self.over.release())
        model = AnswerModel("scripted", "quote", 4096, no_chat, len, lambda _: {})
        self.platform: Platform = LocalPlatform(
            Assistant(searcher=Searcher(self.index), store=self.store, bridge=self.bridge, model=model),
            feedback=FeedbackBook(self.store, self.bridge),
            jobs=self.jobs,
            overview=Overview(version="9", readiness=ready, engine=lambda: None, jobs=self.jobs, reports=reports),
            shown=["travel", "pay", "handbook"],
        )

    def close(self) -> None:
        self.jobs.close()
        self.bridge.close()
        self.store.close()
        self.index.close()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    opened = House(
        tmp_path, Outcome((sync_report(),), {"plans": "/srv/plans cannot be read.", "pay": "/srv/pay is empty."})
    )
    yield opened
    opened.close()


async def ask(house: House, text: str = HOTEL) -> str:
    question = Question("q", text, ASKER, "discord:1:7", origin="discord", shared=True)
    events = [event async for event in house.platform.ask(question)]
    assert isinstance(events[-1], Done)
    assert "180 EUR" in events[-1].answer.text
    return events[-1].answer.trace_id


def test_sources_hits_and_documents_are_those_of_the_person_on_discord(house: House) -> None:
    async def test() -> None:
        assert [one.name for one in await house.platform.sources(principal=ASKER)] == ["travel"]
        seen = await house.platform.sources(principal=IN_HR)
        assert [(one.name, one.documents) for one in seen] == [("pay", 1), ("travel", 1)]
        assert all(one.synced_at for one in seen)
        hits = await house.platform.search("merger plans G4 band hotel", principal=ASKER, k=9, filters=NO_FILTERS)
        assert {hit.source for hit in hits} == {"travel"}
        [of_hr] = [
            hit.document_id
            for hit in await house.platform.search("G4 band", principal=IN_HR, k=9, filters=NO_FILTERS)
            if hit.source == "pay"
        ]
        assert "9,800,000" in (await house.platform.document(of_hr, principal=IN_HR)).text
        with pytest.raises(NotFound):
            await house.platform.document(of_hr, principal=ASKER)

    asyncio.run(test())


def test_an_answer_is_judged_counted_and_forgotten(house: House) -> None:
    async def test() -> None:
        answer = await ask(house)
        await house.platform.put_feedback(answer, Feedback("up"), principal=ASKER)
        await house.platform.put_feedback(answer, Feedback("down"), principal=IN_HR)
        counts = await house.platform.statistics(7)
        assert (counts.people, counts.questions, counts.up, counts.down) == (1, 1, 1, 1)
        await house.platform.remove_feedback(answer, principal=IN_HR)
        assert await house.platform.forget(principal=ASKER) == 1
        assert (await house.platform.statistics(7)).questions == 0
        with pytest.raises(NotFound):
            await house.platform.put_feedback(answer, Feedback("up"), principal=ASKER)

    asyncio.run(test())


def test_an_ingest_that_an_administrator_begins_names_only_what_is_shown_on_discord(house: House) -> None:
    async def test() -> None:
        before = await house.platform.last_ingest()
        begun = await house.platform.reingest("wiki", by=ASKER)
        assert house.over.acquire(timeout=PATIENCE_S)
        job: JobView = await house.platform.job(begun.id)
        assert (job.state, job.over) == ("done", True)
        assert job.fault == "2 sources (pay) could not be brought up to date: Kura's report says why."
        assert await house.platform.last_ingest() == begun.id != before
        assert (await house.platform.status())[0] == "Kura 9 is ready."
        with pytest.raises(SourceError):
            await house.platform.reingest("nowhere", by=ASKER)
        with pytest.raises(NotFound):
            await house.platform.job("none")

    asyncio.run(test())
