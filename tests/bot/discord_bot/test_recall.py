from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bot.discord_bot.ledger import Cited, Post
from bot.discord_bot.recall import Reread, Rereading, Touched, cited_by, says_the_same, squeezed
from bot.errors import Overloaded
from bot.identity import discord_principal
from tests.bot.discord_bot.fake_platform import FakePlatform, Text
from tests.bot.discord_bot.fakes import HOTELS, answer

pytestmark = pytest.mark.anyio

QUOTE = Cited(1, "d1", "Travel policy", "travel.md", ("Hotels",), 12, None, "A night costs at most 180 EUR.")
MEALS = Cited(2, "d2", "Meals", "meals.md", (), 1, None, "Lunch is paid.")
POST = Post("t1", 1, 7, 5, 20, "How much?", "en-GB", False, datetime(2026, 3, 1, tzinfo=UTC), (QUOTE, MEALS))
WHO = discord_principal(1)
BOTH = {
    "d1": Text("Travel policy", "travel.md", "# Hotels\nA night costs\n  at most 180 EUR. Ask."),
    "d2": Text("Meals", "meals.md", "Lunch is paid."),
}


async def touched(documents: dict[str, Text]) -> Touched | None:
    return await Rereading(FakePlatform(documents=documents)).touched(POST, principal=WHO)


async def test_an_answer_whose_sources_still_say_it_is_not_touched() -> None:
    assert await touched(BOTH) is None


async def test_a_changed_document_is_named() -> None:
    assert await touched(BOTH | {"d1": Text("Travel policy", "travel.md", "At most 200 EUR.")}) == Touched(
        ("Travel policy",)
    )


async def test_a_document_that_is_gone_or_not_to_be_read_touches_and_is_not_named() -> None:
    hidden = Text("Meals", "m", "Lunch is paid.", frozenset({"board"}))
    assert await touched({"d1": BOTH["d1"]}) == Touched(())
    assert await touched(BOTH | {"d2": hidden}) == Touched(())
    assert await touched({"d1": Text("Travel policy", "travel.md", "?"), "d2": hidden}) == Touched(("Travel policy",))


async def test_one_sweep_reads_a_document_once_for_a_quote_and_groups() -> None:
    platform = FakePlatform(documents=dict(BOTH))
    rereading = Rereading(platform)
    assert await rereading.touched(POST, principal=WHO) is None
    platform.texts.clear()
    assert await rereading.touched(replace(POST, answer="t2"), principal=WHO) is None
    assert await rereading.touched(POST, principal=discord_principal(1, ["hr"])) == Touched(())


async def test_a_fault_is_not_taken_for_a_missing_document() -> None:
    with pytest.raises(Overloaded):
        await Rereading(FakePlatform(documents=BOTH, fault=Overloaded("Busy."))).touched(POST, principal=WHO)


async def test_rereading_gives_only_what_may_be_read() -> None:
    reread = Rereading(FakePlatform(documents={"d1": Text("Travel policy", "travel.md", "?")}))
    assert await reread.reread(POST.cited, principal=WHO) == [Reread(QUOTE, stands=False)]


@pytest.mark.parametrize(
    ("text", "quote", "held"),
    [
        ("A night costs\n> at most", "A night costs at most", False),
        ("A night\u3000costs at\nmost 180 EUR.", "A night costs at most 180 EUR.", True),
        ("年休は\n25日です。", "年休は25日です。", True),
        ("A night costs 200 EUR.", "A night costs 180 EUR.", False),
    ],
)
def test_white_space_alone_makes_no_change(text: str, quote: str, held: bool) -> None:
    assert (squeezed(quote) in squeezed(text)) is held


def test_an_answer_that_quotes_the_same_elsewhere_needs_no_correction() -> None:
    post = replace(POST, cited=(replace(QUOTE, n=3),))
    moved = answer(citations=(replace(HOTELS, document_id="d9", address="new/travel.md"),))
    [place] = says_the_same(post, moved) or ()
    assert (place.n, place.document, place.address, place.quote) == (3, "d9", "new/travel.md", QUOTE.quote)
    assert says_the_same(post, answer(citations=(replace(HOTELS, quote="At most 200 EUR."),))) is None
    assert says_the_same(post, answer(citations=())) is None


def test_citations_are_noted_as_they_are() -> None:
    assert cited_by(answer()) == (
        Cited(1, "d1", "Travel policy", "handbook/travel.md", ("Hotels", "Limits"), 12, None, HOTELS.quote),
    )
