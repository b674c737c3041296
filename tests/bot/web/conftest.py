"""A site: the HTTP application around a scripted assistant, with a client in the same process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from bot.answers import Answer, Citation, Nearest, Timings, Usage
from bot.errors import NotAllowed
from bot.fakes import ScriptedAssistant
from bot.settings import ServerSettings
from bot.web.app import create_app
from bot.web.metrics import Metrics
from retrieval.access import EVERYBODY, Principal
from retrieval.documents import Hit


def identify(authorization: str | None) -> Principal:
    """Without credentials a guest; with `Bearer hr` somebody of the group hr; everybody else is turned away."""
    if authorization is None:
        return Principal("guest", frozenset({EVERYBODY}))
    if authorization == "Bearer hr":
        return Principal("hanako", frozenset({EVERYBODY, "hr"}))
    raise NotAllowed("This token is not known here: ask the administrator for one.")


async def ready() -> None:
    """Nothing stands in the way."""


def make_app(assistant: ScriptedAssistant | None = None, **changes: Any) -> FastAPI:
    arguments: dict[str, Any] = {
        "assistant": assistant or ScriptedAssistant(),
        "identify": identify,
        "readiness": ready,
        "metrics": Metrics(),
        "version": "0.0.0",
        "hosts": ServerSettings().hosts,
    }
    return create_app(**(arguments | changes))


@pytest.fixture(name="make_app")
def make_app_fixture() -> Callable[..., FastAPI]:
    return make_app


@pytest.fixture
def site() -> Iterator[Callable[..., TestClient]]:
    """Opens a site around the given assistant (and other arguments of `create_app`), for as long as the test runs."""
    with ExitStack() as stack:
        yield lambda assistant=None, **changes: stack.enter_context(
            TestClient(make_app(assistant, **changes), base_url="http://localhost")
        )


@pytest.fixture
def answer() -> Answer:
    citation = Citation(
        1, "d1", "c7", "出張規程", ("出張", "宿泊"), "travel.md", 12, None, "上限は 18,000 円です。", 40, 54
    )
    return Answer(
        "q1",
        "宿泊費の上限は?",
        "上限は 18,000 円です。[1]",
        "quote",
        (citation,),
        (),
        "starter",
        Usage(),
        Timings(5, 6, 7),
        "t1",
    )


@pytest.fixture
def refusal() -> Answer:
    near = Nearest("d2", "Hotels", "hotels.md")
    return Answer(
        "q2", "Who won?", "The documents do not say.", "refusal", (), (near,), "", Usage(), Timings(5, 5, 1500), "t2"
    )


@pytest.fixture
def hit() -> Hit:
    return Hit(
        "d1",
        "c7",
        "出張規程",
        ("出張", "宿泊"),
        "travel.md",
        "ja",
        12,
        None,
        40,
        54,
        "上限は 18,000 円です。",
        0.9,
        3.1,
        0.7,
    )
