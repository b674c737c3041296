"""Credentials into a `Principal`: the only place where one is made. Knows no front end's protocol."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from bot.errors import NotAllowed
from retrieval.access import EVERYBODY, Audience, Principal

ANONYMOUS = "http:anonymous"
"""The id of whoever asks over HTTP without a token: many people, who must not see each other's conversations."""


@dataclass(frozen=True, slots=True)
class Client:
    """A program that asks over HTTP: who it is, its groups, and the SHA-256 of its token (hexadecimal)."""

    name: str
    groups: frozenset[str]
    token_sha256: str
    may_ingest: bool = False
    """Whether it may start ingests, upload files, and see how they went."""
    may_name_paths: bool = False
    """Whether it may name paths of this machine to be ingested: the command line of whoever owns the data folder."""
    discord: bool = False
    """Whether it may ask for people on Discord, in at most its groups."""


def new_thread() -> str:
    """The name of a conversation that nobody can guess: whoever knows it was told it (144 random bits)."""
    return f"t_{secrets.token_urlsafe(18)}"


def local_principal(name: str = "", groups: Iterable[str] = ()) -> Principal:
    """Whoever sits at the command line; they hold the data folder, so they may say who they are."""
    return Principal(f"local:{name or 'somebody'}", frozenset(groups) | {EVERYBODY})


def discord_principal(user_id: int, groups: Iterable[str] = ()) -> Principal:
    """A person on Discord: in `all` and in `groups`, and shown only what may leave the company."""
    return Principal(f"discord:{user_id}", frozenset(groups) | {EVERYBODY}, Audience.DISCORD)


class BearerTokens:
    """Turns an `Authorization` header into a principal.

    No header is an unnamed person, who is only in `all`. Raises NotAllowed for a header that names nobody: a program with
    a mistyped token must not silently see less.
    """

    def __init__(self, clients: Sequence[Client]) -> None:
        self._clients = tuple(clients)

    def __call__(self, authorization: str | None) -> Principal:
        if authorization is None:
            return Principal(ANONYMOUS, frozenset({EVERYBODY}))
        found = self._client(authorization)
        if found is None:
            raise NotAllowed("This token is not known here: check it, or ask without one for what everybody may read.")
        if found.discord:  # it asks for people; for itself it sees what anybody on Discord does
            return Principal(f"client:{found.name}", frozenset({EVERYBODY}), Audience.DISCORD)
        return Principal(f"client:{found.name}", found.groups | {EVERYBODY})

    def may_ingest(self, authorization: str | None) -> bool:
        """Whether the header names a client that may start ingests; nobody without a token may."""
        found = None if authorization is None else self._client(authorization)
        return found is not None and found.may_ingest

    def may_name_paths(self, authorization: str | None) -> bool:
        """Whether the header is that of this machine's command line."""
        found = None if authorization is None else self._client(authorization)
        return found is not None and found.may_name_paths

    def on_discord(self, authorization: str | None, user_id: int, groups: Iterable[str]) -> Principal | None:
        """A person on Discord for whom a client asks, in those of `groups` that the client is in.

        None if it may ask for nobody. Raises NotAllowed as a call does.
        """
        self(authorization)
        found = None if authorization is None else self._client(authorization)
        return discord_principal(user_id, found.groups & set(groups)) if found and found.discord else None

    def may_ask_for_discord(self, authorization: str | None) -> bool:
        """Whether the header is that of a client that asks for people on Discord."""
        found = None if authorization is None else self._client(authorization)
        return found is not None and found.discord

    def _client(self, authorization: str) -> Client | None:
        scheme, _, token = authorization.partition(" ")
        digest = sha256(token.strip().encode("utf-8", "surrogateescape")).hexdigest()
        found: Client | None = None
        for client in self._clients:  # all of them, so that the time taken tells nothing
            if hmac.compare_digest(client.token_sha256, digest):
                found = client
        return found if scheme.lower() == "bearer" else None
