from __future__ import annotations

from hashlib import sha256

import pytest

from bot.errors import NotAllowed
from bot.identity import ANONYMOUS, BearerTokens, Client, discord_principal, local_principal, new_thread
from retrieval.access import Audience

TOKENS = BearerTokens([Client("hr-portal", frozenset({"hr"}), sha256(b"right").hexdigest())])


def test_without_a_token_one_is_only_in_all() -> None:
    assert (TOKENS(None).id, TOKENS(None).groups) == (ANONYMOUS, {"all"})


def test_a_new_thread_is_long_and_never_the_same() -> None:
    threads = {new_thread() for _ in range(100)}
    assert len(threads) == 100
    assert all(len(thread) >= 26 for thread in threads)


def test_no_named_client_can_be_the_anonymous_one() -> None:
    named = BearerTokens([Client("anonymous", frozenset(), sha256(b"t").hexdigest())])("Bearer t")
    assert named.id != ANONYMOUS
    assert local_principal("anonymous").id != ANONYMOUS


def test_a_token_names_its_client() -> None:
    principal = TOKENS("Bearer right")
    assert (principal.id, principal.groups) == ("client:hr-portal", {"all", "hr"})


@pytest.mark.parametrize(
    "header", ["Bearer wrong", "Bearer ", "", "Basic right", "right", "Bearer rıght", "Bearer \udcff"]
)
def test_a_wrong_token_is_refused_and_never_less(header: str) -> None:
    with pytest.raises(NotAllowed):
        TOKENS(header)


def test_only_a_client_that_is_allowed_to_may_ingest_and_nobody_without_a_token() -> None:
    tokens = BearerTokens(
        [
            Client("ops", frozenset(), sha256(b"one").hexdigest(), may_ingest=True),
            Client("ops", frozenset(), sha256(b"two").hexdigest()),  # of the same name: the token decides
            Client("machine", frozenset(), sha256(b"three").hexdigest(), may_ingest=True, may_name_paths=True),
        ]
    )
    asked = [None, "", "Bearer one", "Bearer two", "Bearer three", "Basic one", "Bearer four", "Bearer \udcff"]
    assert [header for header in asked if tokens.may_ingest(header)] == ["Bearer one", "Bearer three"]
    assert [header for header in asked if tokens.may_name_paths(header)] == ["Bearer three"]


def test_the_command_line_says_who_it_is() -> None:
    assert local_principal().groups == {"all"}
    assert local_principal("mori", ["hr"]).groups == {"all", "hr"}
    assert local_principal("mori").id != local_principal("sato").id


def test_on_discord_the_audience_is_outside() -> None:
    principal = discord_principal(42)
    assert (principal.groups, principal.audience) == ({"all"}, Audience.DISCORD)


def test_a_client_for_discord_asks_for_people_in_at_most_its_groups() -> None:
    tokens = BearerTokens(
        [
            Client("bot", frozenset({"hr"}), sha256(b"one").hexdigest(), discord=True),
            Client("portal", frozenset({"hr"}), sha256(b"two").hexdigest()),
        ]
    )
    assert tokens.on_discord("Bearer one", 7, ["hr", "board"]) == discord_principal(7, ["hr"])
    assert tokens.on_discord("Bearer two", 7, ["hr"]) is None
    assert tokens.on_discord(None, 7, ["hr"]) is None
    with pytest.raises(NotAllowed):
        tokens.on_discord("Bearer three", 7, [])
    asked = [None, "Bearer one", "Bearer two", "Basic one", "Bearer three"]
    assert [header for header in asked if tokens.may_ask_for_discord(header)] == ["Bearer one"]
