"""The settings of `[discord]`. Builds no client."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator

from bot.settings_base import NamedPath, Names, Section


def _ids(value: Any) -> Any:
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    return [value] if isinstance(value, int) and not isinstance(value, bool) else value


Snowflake = Annotated[int, Field(gt=0, lt=2**63)]
"""The id of a server, a channel, a role or a person: 17 to 20 digits, copied with Discord's developer mode."""
Ids = Annotated[tuple[Snowflake, ...], BeforeValidator(_ids)]


class MemberSettings(Section):
    """Groups of a role, or of a person, on Discord."""

    role: Snowflake | None = Field(None, description="The id of a role: whoever has it is in `groups`.")
    user: Snowflake | None = Field(None, description="The id of a person who is in `groups`.")
    groups: Names = Field(min_length=1, description="Groups, as in `readers` of the sources.")

    @model_validator(mode="after")
    def _names_one(self) -> MemberSettings:
        if (self.role is None) == (self.user is None):
            raise ValueError("give either role or user")
        return self


class DiscordSettings(Section):
    """The Discord bot; it runs with `kura serve` when there is a token, or alone as `kura discord`."""

    token: SecretStr = Field(SecretStr(""), description="The bot's token. Better: `token_file`, or the environment.")
    token_file: NamedPath | None = Field(None, description="A file that holds the token and nothing else.")
    server: str = Field(
        "",
        description="The Kura that `kura discord` asks, as `https://kura.example.com`. Empty: the one that the settings of"
        " `[server]` make.",
    )
    server_token: SecretStr = Field(
        SecretStr(""),
        description="The token with which `kura discord` asks: that of a client with `discord = true`. Better:"
        " `server_token_file`, or the environment.",
    )
    server_token_file: NamedPath | None = Field(None, description="A file that holds that token and nothing else.")
    guilds: Ids = Field(
        (),
        description="Ids of the Discord servers it answers in; it leaves others. Empty: it answers nowhere, and says so.",
    )
    channels: Ids = Field((), description="Ids of the channels it answers in; empty: all that it may write in.")
    members: tuple[MemberSettings, ...] = Field((), description="Groups of roles and people; everybody is in `all`.")
    admin_roles: Ids = Field((), description="Ids of the roles that may use `/kura` and `/stats`.")
    read_threads: bool = Field(
        True,
        description="Whether conversations in threads go on without a mention; needs the message content intent in Discord's"
        " developer portal.",
    )
    per_person: int = Field(6, ge=1, le=1_000, description="Questions a minute that one person may ask.")
    per_channel: int = Field(30, ge=1, le=10_000, description="Questions a minute that may be asked in one channel.")
    recall_days: int = Field(
        14,
        ge=0,
        le=365,
        description="Days for which an answer is corrected when a passage that it cites changes; 0: never.",
    )

    @field_validator("server")
    @classmethod
    def _is_address(cls, server: str) -> str:
        if server and not re.fullmatch(r"https?://[^\s/@?#]+(/[^\s@?#]*)?", server):
            raise ValueError("the server is an http or https address, without a password or query in it")
        return server

    def groups_of_roles(self, roles: Sequence[int]) -> frozenset[str]:
        """The groups of somebody who has these roles."""
        return frozenset(group for one in self.members if one.role in roles for group in one.groups)

    def groups_of_user(self, user_id: int) -> frozenset[str]:
        """The groups that a person is in whatever their roles are."""
        return frozenset(group for one in self.members if one.user == user_id for group in one.groups)
