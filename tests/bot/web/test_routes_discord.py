"""Bots on Discord beside a server: for whom they may ask, and what is theirs alone."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest
from starlette.testclient import TestClient

from bot.answers import Answer, Done, Origin
from bot.fakes import ScriptedAssistant
from bot.feedback import Feedback, Statistics
from bot.identity import BearerTokens, Client, discord_principal
from bot.web.ports import DiscordClients
from retrieval.access import Audience, Principal

Site = Callable[..., TestClient]
TOKENS = BearerTokens(
    [
        Client("bot", frozenset({"hr", "人事"}), sha256(b"bot").hexdigest(), discord=True),
        Client("portal", frozenset({"hr"}), sha256(b"portal").hexdigest()),
    ]
)
BOT = {"Authorization": "Bearer bot"}
FOR_7 = {"Kura-For": "discord:7"}


class Book:
    """Forgets two answers of whoever asks; counts."""

    def __init__(self) -> None:
        self.forgot: list[Principal] = []

    async def put(self, answer_id: str, feedback: Feedback, *, principal: Principal) -> None: ...
    async def remove(self, answer_id: str, *, principal: Principal) -> None: ...

    async def forget(self, *, principal: Principal) -> int:
        self.forgot.append(principal)
        return 2

    async def statistics(self, origin: Origin, days: int) -> Statistics:
        return Statistics(days, 3, 9, 2, 4, 1 if origin == "discord" else 99)


async def status() -> list[str]:
    return ["Kura is ready."]


@pytest.fixture
def book() -> Book:
    return Book()


@pytest.fixture
def site(site: Site, book: Book) -> Site:
    clients = DiscordClients(TOKENS.on_discord, TOKENS.may_ask_for_discord, status, lambda: "j7", ["handbook"])

    def made(assistant: ScriptedAssistant | None = None, **changes: Any) -> TestClient:
        return site(assistant, **({"identify": TOKENS, "feedback": book, "discord": clients} | changes))

    return made


def test_a_bot_asks_for_a_person_in_the_groups_that_both_have(site: Site, answer: Answer) -> None:
    assistant = ScriptedAssistant([Done(answer)])
    headers = BOT | FOR_7 | {"Kura-Groups": "%E4%BA%BA%E4%BA%8B, board"}
    body = {"question": "何?", "shared": True}
    assert site(assistant).post("/v1/ask", json=body, headers=headers).status_code == 200
    [asked] = assistant.questions
    assert asked.principal == discord_principal(7, ["人事"])
    assert (asked.origin, asked.shared) == ("discord", True)


def test_a_bot_that_names_nobody_sees_what_anybody_on_discord_may_see(site: Site, answer: Answer) -> None:
    assistant = ScriptedAssistant([Done(answer)])
    site(assistant).post("/v1/ask", json={"question": "何?"}, headers=BOT | {"Kura-Groups": "hr"})
    [asked] = assistant.questions
    assert asked.principal == Principal("client:bot", frozenset({"all"}), Audience.DISCORD)
    assert (asked.origin, asked.shared) == ("discord", False)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (FOR_7, 403),
        (FOR_7 | {"Authorization": "Bearer portal"}, 403),
        (FOR_7 | {"Authorization": "Bearer guessed"}, 401),
        (BOT | {"Kura-For": "local:root"}, 422),
        (BOT | {"Kura-For": "discord:7, discord:8"}, 422),
        (BOT | {"Kura-For": ""}, 422),
    ],
)
def test_nobody_else_asks_for_others(site: Site, headers: dict[str, str], status: int) -> None:
    assistant = ScriptedAssistant()
    client = site(assistant)
    assert client.post("/v1/ask", json={"question": "何?"}, headers=headers).status_code == status
    assert client.delete("/v1/conversations", headers=headers).status_code == status
    assert assistant.questions == []


def test_a_server_without_bots_lets_nobody_ask_for_others(site: Site) -> None:
    client = site(discord=None)
    assert client.post("/v1/search", json={"question": "何?"}, headers=BOT | FOR_7).status_code == 403
    assert client.get("/v1/discord/status", headers=BOT).status_code == 404


def test_a_person_is_forgotten_by_themselves_alone(site: Site, book: Book) -> None:
    client = site()
    assert client.delete("/v1/conversations", headers=BOT | FOR_7).json() == {"answers": 2}
    assert client.delete("/v1/conversations", headers={"Authorization": "Bearer portal"}).json() == {"answers": 2}
    assert client.delete("/v1/conversations").status_code == 401  # nobody in particular: they would be everybody's
    assert [one.id for one in book.forgot] == ["discord:7", "client:portal"]


def test_how_kura_stands_is_for_bots_alone(site: Site) -> None:
    client = site()
    told = client.get("/v1/discord/status", headers=BOT).json()
    assert told == {"sentences": ["Kura is ready."], "last_ingest": "j7", "shown": ["handbook"]}
    counts = client.get("/v1/discord/statistics?days=7", headers=BOT).json()
    assert counts == {"days": 7, "people": 3, "questions": 9, "refused": 2, "up": 4, "down": 1}
    assert client.get("/v1/discord/statistics?days=0", headers=BOT).status_code == 422
    for place in ("/v1/discord/status", "/v1/discord/statistics"):
        assert client.get(place).status_code == 401
        assert client.get(place, headers={"Authorization": "Bearer portal"}).status_code == 403
