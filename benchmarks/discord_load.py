"""How Kura bears a crowd and a bad day on Discord: its real client against the tests' stand-in for Discord, over the handbook.

    python -m benchmarks.discord_load [--style quote] [--people 50] [--channels 10] [--questions 200] [--drops 100] [--limits 500]

First everybody asks at once, half with `/ask` and half with a mention: how soon each is acknowledged, and whether each is
answered exactly once. Then the same people ask one question after the other while the gateway is cut and rate limits are given
(three to one request at most, none to the first response to a command): what is lost and what is doubled. Client, stand-in and
search share one process, the model has its own, as in `kura serve`. `--questions 0` leaves the second part out. The stand-in is
beside the tests because they are its reason.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import discord
import yarl
from discord.gateway import DiscordWebSocket

from bot.discord_bot.supervise import run_discord
from bot.ingesting import IngestRequest
from bot.jobs import IngestJobs
from bot.settings import load
from bot.wiring import Kura, open_kura
from bot.wiring.discord import local_platform, make_desk
from bot.wiring.serving import make_overview
from bot.wiring.upkeep import make_upkeep
from retrieval.access import EVERYBODY, Readers
from tests.bot.discord_bot.standin.payloads import Json
from tests.bot.discord_bot.standin.server import StandIn
from tests.bot.discord_bot.standin.state import Asked
from tests.bot.discord_bot.standin.world import GUILD_ID

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
FIRST_PERSON, FIRST_CHANNEL = 600_000_000_000_000_000, 310_000_000_000_000_000
PATIENCE_S = 540.0
LIMITS = {"per_person": 1_000, "per_channel": 10_000}
"""Of Kura itself: out of the way, for this measures the rest."""
PLACEHOLDER = "⏳"


@dataclass(slots=True)
class Put:
    """One question that somebody put, and how to find what came of it."""

    channel: int
    slash: Asked | None = None
    message: int = 0
    at: float = 0.0
    noted: list[str] = field(default_factory=list)

    def acknowledged_s(self, discord_: StandIn) -> float | None:
        """Seconds until the person saw that they were heard."""
        if self.slash is not None:
            return self.slash.acknowledged_after_s
        calls = [
            call.at
            for call in discord_.state.calls
            if call.status in (200, 201) and self._is_mine(call.path, call.body)
        ]
        return min(calls) - self.at if calls else None

    def _is_mine(self, path: str, body: Json) -> bool:
        if path.endswith(f"/messages/{self.message}/threads"):
            return True
        reference = body.get("message_reference") if isinstance(body, dict) else None
        return bool(reference) and str(reference.get("message_id")) == str(self.message)

    def answers(self, discord_: StandIn) -> list[Json]:
        """The messages in which it was answered: those with buttons to judge it or, without buttons, that are no placeholder."""
        if self.slash is not None:
            said = self.slash.messages
        else:
            thread = discord_.answers(self.message)
            replies = [m for m in discord_.answers(self.channel) if _answered(m) == str(self.message)]
            said = [*thread, *replies]
        judged = [m for m in said if "kura:up:" in json.dumps(m["components"])]
        if _buttons_are_known(discord_):
            return judged
        return [m for m in said if m["content"] and m["content"] != PLACEHOLDER]


def _answered(message: Json) -> str:
    return str((message.get("message_reference") or {}).get("message_id"))


def _buttons_are_known(discord_: StandIn) -> bool:
    return any("kura:" in json.dumps(m["components"]) for m in discord_.state.messages.values())


@asynccontextmanager
async def kura_on(kura: Kura) -> AsyncIterator[StandIn]:
    """Kura connected to a stand-in, as `kura serve` wires it."""
    jobs = IngestJobs(kura.ingesting, reports=kura.reports, upkeep=make_upkeep(kura, shared=True).run)
    kura.closing.callback(jobs.close)
    desk = make_desk(kura.settings, local_platform(kura, jobs, make_overview(kura, jobs)), kura.closing)
    async with StandIn() as server:
        discord.http.Route.BASE = server.api
        DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(server.gateway.url)
        running = asyncio.create_task(run_discord(desk, server.state.token))
        try:
            await server.connected()
            yield server
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running


async def crowd(discord_: StandIn, questions: list[str], people: int, channels: list[int]) -> None:
    """Everybody at once."""
    started = time.perf_counter()
    puts = await asyncio.gather(
        *(put(discord_, n, questions[n % len(questions)], channels[n % len(channels)]) for n in range(people))
    )
    await all_answered(discord_, puts)
    took = time.perf_counter() - started
    heard = [put.acknowledged_s(discord_) for put in puts]
    known = sorted(seconds for seconds in heard if seconds is not None)
    print(f"{people} people in {len(channels)} channels at once: all done after {took:.1f} s")
    p50, p99 = at(known, 0.5), at(known, 0.99)
    print(f"  acknowledged: {len(known)} of {people}; p50 {p50:.3f} s, p99 {p99:.3f} s")
    tell(discord_, puts)


async def bad_day(
    discord_: StandIn, questions: list[str], people: int, channels: list[int], *, asked: int, drops: int, limits: int
) -> None:
    """The same people, one question after the other, while the gateway is cut and rate limits are given."""
    chance = random.Random(1)  # noqa: S311 - when things go wrong, not a secret
    puts: list[Put] = []
    resumed = discord_.gateway.resumed

    async def person(number: int) -> None:
        for n in range(number, asked, people):
            one = await put(discord_, n, questions[n % len(questions)], channels[number % len(channels)])
            puts.append(one)
            await all_answered(discord_, [one], within_s=60.0)
            await asyncio.sleep(chance.uniform(0.0, 1.0))

    async def dropping() -> None:
        for n in range(drops):
            await discord_.until(lambda: discord_.gateway.ready)
            await discord_.gateway.drop(repeat=chance.randrange(4), code=1006 if n % 2 else 4000)
            await asyncio.sleep(chance.uniform(0.05, 0.25))

    discord_.fail("*", r"/(messages|threads|webhooks)", 429, times=limits, each=3, retry_after_s=0.2)
    troubles = asyncio.create_task(dropping())
    await asyncio.gather(*(person(number) for number in range(people)))
    await troubles
    discord_.state.faults.clear()
    given = Counter(call.status for call in discord_.state.calls)[429]
    print(
        f"{asked} questions, {drops} drops of the gateway ({discord_.gateway.resumed - resumed} resumed), {given} rate limits"
    )
    tell(discord_, puts)


async def put(discord_: StandIn, n: int, question: str, channel: int) -> Put:
    """Somebody asks, by a command or by a mention."""
    who, at = FIRST_PERSON + n % 50, asyncio.get_running_loop().time()
    if n % 2:
        return Put(channel, slash=await discord_.ask(question, user_id=who, channel_id=channel), at=at)
    return Put(channel, message=await discord_.mention(question, user_id=who, channel_id=channel), at=at)


async def all_answered(discord_: StandIn, puts: list[Put], *, within_s: float = PATIENCE_S) -> None:
    """Wait for an answer to each, or until patience ends."""
    with suppress(TimeoutError):
        await discord_.state.until(lambda: all(one.answers(discord_) for one in puts), within_s=within_s)


def tell(discord_: StandIn, puts: list[Put]) -> None:
    counts = Counter(len(one.answers(discord_)) for one in puts)
    doubled = sum(count for times, count in counts.items() if times > 1)
    print(f"  answered once: {counts[1]} of {len(puts)}; lost: {counts[0]}; doubled: {doubled}")
    faults = Counter(
        m["content"][:60] for one in puts for m in one.answers(discord_) if "kura:" not in json.dumps(m["components"])
    )
    for text, count in faults.most_common(3):
        print(f"    {count} x {text!r}")


def at(values: list[float], share: float) -> float:
    return values[min(len(values) - 1, round(share * (len(values) - 1)))] if values else float("nan")


async def run(kura: Kura, arguments: argparse.Namespace, questions: list[str]) -> None:
    channels = [FIRST_CHANNEL + n for n in range(arguments.channels)]
    await kura.assistant.warm_up()
    async with kura_on(kura) as discord_:
        for channel in channels:
            await discord_.add_channel(channel, name=f"room-{channel % 1000}")
        for n in range(arguments.people):
            await discord_.set_member(FIRST_PERSON + n)
        await all_answered(discord_, [await put(discord_, n, questions[n], channels[0]) for n in range(2)])  # warms up
        await crowd(discord_, questions, arguments.people, channels)
        if arguments.questions:
            await bad_day(
                discord_,
                questions,
                arguments.people,
                channels,
                asked=arguments.questions,
                drops=arguments.drops,
                limits=arguments.limits,
            )


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--style", choices=("quote", "generate"), default="quote")
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("--channels", type=int, default=10)
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--drops", type=int, default=100)
    parser.add_argument("--limits", type=int, default=500)
    arguments = parser.parse_args()
    lines = [json.loads(line) for line in (EXAMPLES / "questions.jsonl").read_text("utf-8").splitlines()]
    questions = [line["question"] for line in lines if line["groups"] == ["all"] and not line["refuse"]]
    with tempfile.TemporaryDirectory(prefix="kura-benchmark-") as work:
        settings = load(overrides={"data_dir": Path(work) / "data", "discord": {"guilds": [GUILD_ID], **LIMITS}})
        with open_kura(settings, holder="benchmark", style=arguments.style, alone=False) as kura:
            readers = Readers(frozenset({EVERYBODY}), discord=True)
            request = IngestRequest(paths=(EXAMPLES / "handbook" / "company",), readers=readers, confirmed=True)
            kura.ingest(request, lambda _: None)
            asyncio.run(run(kura, arguments, questions))
    return 0


if __name__ == "__main__":
    sys.exit(main())
