from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import get_args

import pytest

from bot.discord_bot.escaping import INVISIBLE
from bot.discord_bot.ports import JobView, SourceView, Statistics
from bot.discord_bot.words import Words, words
from bot.discord_bot.words_en import PERMISSIONS
from bot.discord_bot.words_ja import PERMISSIONS as PERMISSIONS_JA
from bot.discord_bot.words_ja import Japanese
from bot.errors import EngineBusy, EngineFailed, NotFound, Overloaded, explain
from bot.jobs import State

BOTH = [words("en-US"), words("ja")]
JAPANESE = re.compile("[ぁ-ん]")
HOSTILE = "**x** @everyone <@123456789012345678> [あ](https://evil.example) `b"
SAYINGS = [name for name in vars(Words) if not name.startswith("_") and name != "spoken"]

ARGUMENTS: dict[str, tuple[object, ...]] = {
    "in_time": (20.0,),
    "duration": (20.0,),
    "queued": (3, 20.0),
    "moved_here": (HOSTILE,),
    "wait": (20.0,),
    "channel_wait": (20.0,),
    "guild_not_set_up": (111222333444555666,),
    "channel_not_allowed": ([11, 12, 13],),
    "missing_permission": (["send_messages", "attach_files"], 11),
    "permission": ("send_messages",),
    "forgot": (2,),
    "fault": (explain(Overloaded(HOSTILE)),),
    "page": (7,),
    "table_in_file": ("table-1.csv",),
    "found": (HOSTILE, 2),
    "not_a_source": (HOSTILE,),
    "source": (SourceView(HOSTILE, 2, datetime(2026, 1, 2, tzinfo=UTC)),),
    "ingest": (JobView("j1", "running", ((HOSTILE, 1, 2, 1),), HOSTILE),),
    "statistics": (Statistics(7, 2, 9, 1, 3, 2),),
    "recall": ([HOSTILE, "Travel policy"],),
    "recall_direct": (HOSTILE, [HOSTILE]),
}


def say(spoken: Words, name: str) -> str:
    saying = getattr(spoken, name)
    if name == "help":
        return str(spoken.help(conversations=True))
    said = saying(*ARGUMENTS[name]) if callable(saying) else saying
    assert isinstance(said, str)
    return said


def methods() -> Iterator[str]:
    return (name for name in SAYINGS if callable(getattr(Words, name)))


def test_japanese_says_everything_and_nothing_more() -> None:
    own = {name for name in vars(Japanese) if not name.startswith("_") and name != "spoken"}
    assert own == set(SAYINGS)
    assert PERMISSIONS_JA.keys() == PERMISSIONS.keys()


@pytest.mark.parametrize("name", [*methods()])
def test_both_are_told_the_same(name: str) -> None:
    english: Callable[..., str] = getattr(Words, name)
    japanese: Callable[..., str] = getattr(Japanese, name)
    assert inspect.signature(english) == inspect.signature(japanese)


@pytest.mark.parametrize("name", SAYINGS)
def test_every_sentence_is_whole_and_in_its_language(name: str) -> None:
    english, japanese = (say(spoken, name) for spoken in BOTH)
    for said in (english, japanese):
        assert said.strip() == said != ""
        assert not re.search(r"[{}]|None|\bself\b", said)
        assert len(said) <= 1_900
    assert not JAPANESE.search(english.replace("あ", ""))
    assert japanese != english
    if name not in {"duration", "page", "moved_here", "sources_label", "stop_label"}:  # 20秒, 7ページ, 質問, 出典, 停止
        assert JAPANESE.search(japanese.replace("あ", ""))


@pytest.mark.parametrize("name", SAYINGS)
def test_what_others_wrote_is_harmless(name: str) -> None:
    for spoken in BOTH:
        said = say(spoken, name)
        assert "@everyone" not in said
        assert not re.search(r"<@\d", said)
        assert "](" not in said
        assert "**x**" not in said
        assert not re.search(r"(?<!\\):(?=//)", said)
        assert INVISIBLE not in said or name in ARGUMENTS


@pytest.mark.parametrize("spoken", BOTH, ids=["en", "ja"])
def test_labels_fit_where_discord_shows_them(spoken: Words) -> None:
    for name in SAYINGS:
        if name.endswith(("_label", "_title")) and name != "status_title":
            assert len(say(spoken, name)) <= 45
        if name.endswith("_example"):
            assert len(say(spoken, name)) <= 100


@pytest.mark.parametrize(
    ("locale", "spoken"),
    [("ja", "ja"), ("ja-JP", "ja"), ("en-US", "en"), ("en-GB", "en"), ("de", "en"), ("", "en"), ("jav", "en")],
)
def test_who_reads_japanese_is_told_in_japanese(locale: str, spoken: str) -> None:
    assert words(locale).spoken == spoken


def test_one_is_not_many() -> None:
    english = words("en")
    assert english.queued(1, 1.0) == "🕐 You are next: about 1 second …"
    assert english.queued(2, 19.2) == "🕐 1 question before yours: about 20 seconds …"
    assert english.queued(3, 91) == "🕐 2 questions before yours: about 2 minutes …"
    assert english.in_time(0) == "in 1 second"
    assert english.forgot(1) == "1 answer deleted."
    assert english.forgot(1_200) == "1,200 answers deleted."
    assert "1 question by 1 person" in english.statistics(Statistics(1, 1, 1, 0, 0, 0))
    assert "9 questions by 2 people" in english.statistics(Statistics(7, 2, 9, 0, 0, 0))
    assert "The source of this answer changed" in english.recall(["Travel"])
    assert "Sources of this answer changed:** “A”, “B” and “C”." in english.recall(["A", "B", "C"])
    assert english.channel_not_allowed([1, 2, 3]).endswith("Ask in <#1>, <#2> or <#3>.")


@pytest.mark.parametrize("state", get_args(State))
@pytest.mark.parametrize("spoken", BOTH, ids=["en", "ja"])
def test_an_ingest_is_told_in_every_state(spoken: Words, state: State) -> None:
    said = spoken.ingest(JobView("j1", state, (("handbook", 3, 4, 1),), "The disk is full."))
    assert said.count("\n") == 2
    assert said.splitlines()[2] == "The disk is full."
    assert {"3", "4", "1"} <= set(re.findall(r"\d", said.splitlines()[1]))


def test_a_source_never_read_is_said_to_be() -> None:
    assert [spoken.source(SourceView("wiki", 1, None)) for spoken in BOTH] == [
        "**wiki** · 1 document · read never",
        "**wiki** · 1件の文書 · 未読み込み",
    ]


def test_documents_that_may_not_be_read_now_are_not_named() -> None:
    assert all("「" not in spoken.recall([]) and "“" not in spoken.recall([]) for spoken in BOTH)


def test_a_fault_is_told_without_insides_and_with_when_to_come_back() -> None:
    english, japanese = BOTH
    busy = explain(EngineBusy("The model has 40 questions waiting.", retry_after_s=20))
    assert "20秒後に" in japanese.fault(busy)
    failed = explain(EngineFailed("model.gguf cannot be opened"))
    assert not any("gguf" in spoken.fault(failed) for spoken in BOTH)
    assert english.fault(explain(NotFound("No such answer."))) == "No such answer."
    assert JAPANESE.search(japanese.fault(explain(RuntimeError("insides")))) is not None
    assert "insides" not in japanese.fault(explain(RuntimeError("insides")))
