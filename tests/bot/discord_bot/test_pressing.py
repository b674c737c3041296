"""What somebody who pressed or typed is told when it goes wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from retrieval.errors import IndexDamaged
from tests.bot.discord_bot.fake_platform import FakePlatform, a_desk, on_discord
from tests.bot.discord_bot.standin.server import StandIn

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (ValueError("secret detail"), "Something went wrong inside Kura"),
        (IndexDamaged("/secret/folder is damaged."), "Kura cannot do this just now"),
    ],
)
async def test_a_fault_is_told_without_what_is_inside(
    stand_in: StandIn, tmp_path: Path, fault: Exception, sentence: str
) -> None:
    async with on_discord(stand_in, a_desk(FakePlatform(fault=fault), tmp_path)):
        asked = await stand_in.slash("search", {"query": "hotel"})
        await stand_in.until(lambda: asked.contents)
    assert sentence in asked.contents[0]
    assert "secret" not in asked.contents[0]


async def test_what_discord_does_not_take_harms_nothing_else(stand_in: StandIn, tmp_path: Path) -> None:
    async with on_discord(stand_in, a_desk(FakePlatform(), tmp_path)):
        stand_in.fail("POST", r"/callback$", 404, code=10062)
        await stand_in.slash("help")
        await stand_in.until(lambda: [call for call in stand_in.state.calls if call.status == 404])
        asked = await stand_in.slash("help")
        await stand_in.until(lambda: asked.contents)
