from __future__ import annotations

import asyncio

import pytest

from bot.discord_bot.progress import Progress

pytestmark = pytest.mark.anyio


async def test_only_the_latest_is_shown_and_nothing_after_the_end() -> None:
    shown: list[str] = []

    async def show(text: str) -> None:
        shown.append(text)

    progress = Progress(show, gap_s=0.05, first_s=0.0)
    for text in ("a", "b", "c"):
        progress.tell(text)
    await asyncio.sleep(0.02)
    assert shown == ["c"]
    progress.tell("d")
    await progress.close()
    await asyncio.sleep(0.1)
    assert shown == ["c"]


async def test_an_answer_that_comes_at_once_has_no_step_before_it() -> None:
    shown: list[str] = []

    async def show(text: str) -> None:
        shown.append(text)

    progress = Progress(show, first_s=5.0)
    progress.tell("a")
    await progress.close()
    assert shown == []


async def test_an_edit_under_way_ends_before_the_answer_follows() -> None:
    began, ended = asyncio.Event(), asyncio.Event()

    async def show(_: str) -> None:
        began.set()
        await asyncio.sleep(0.05)
        ended.set()

    progress = Progress(show, gap_s=0.0, first_s=0.0)
    progress.tell("a")
    await began.wait()
    await progress.close()
    assert ended.is_set()


async def test_a_step_that_fails_does_not_end_the_others() -> None:
    shown: list[str] = []

    async def show(text: str) -> None:
        if text == "a":
            raise ConnectionResetError
        shown.append(text)

    progress = Progress(show, gap_s=0.0, first_s=0.0)
    progress.tell("a")
    await asyncio.sleep(0.02)
    progress.tell("b")
    await asyncio.sleep(0.02)
    await progress.close()
    assert shown == ["b"]
