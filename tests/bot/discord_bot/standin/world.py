"""Who and what there is on the stand-in: guilds with roles, channels and members, and what each may do. Knows no protocol.

Until a client has connected, tests change this as they like; afterwards they go through `StandIn`, which tells the client.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

APPLICATION_ID = 100_000_000_000_000_001
BOT_ID = 100_000_000_000_000_002
GUILD_ID = 200_000_000_000_000_001
BOT_ROLE_ID = 200_000_000_000_000_002
CHANNEL_ID = 300_000_000_000_000_001
DIRECT_CHANNEL_ID = 300_000_000_000_000_002
"""Between the bot and ASKER_ID."""
ASKER_ID = 400_000_000_000_000_001
OTHER_ASKER_ID = 400_000_000_000_000_002
OWNER_ID = 400_000_000_000_000_009

TEXT_CHANNEL, DIRECT_CHANNEL, ANNOUNCEMENTS, PUBLIC_THREAD, PRIVATE_THREAD = 0, 1, 5, 11, 12
THREADS = (PUBLIC_THREAD, PRIVATE_THREAD)

ADMINISTRATOR, MANAGE_GUILD, ADD_REACTIONS = 1 << 3, 1 << 5, 1 << 6
VIEW_CHANNEL, SEND_MESSAGES, MANAGE_MESSAGES = 1 << 10, 1 << 11, 1 << 13
EMBED_LINKS, ATTACH_FILES, READ_MESSAGE_HISTORY = 1 << 14, 1 << 15, 1 << 16
USE_APPLICATION_COMMANDS, MANAGE_THREADS = 1 << 31, 1 << 34
CREATE_PUBLIC_THREADS, SEND_MESSAGES_IN_THREADS = 1 << 35, 1 << 38
ALL_PERMISSIONS = (1 << 53) - 1
EVERYDAY = (
    VIEW_CHANNEL
    | SEND_MESSAGES
    | ADD_REACTIONS
    | EMBED_LINKS
    | ATTACH_FILES
    | READ_MESSAGE_HISTORY
    | USE_APPLICATION_COMMANDS
    | CREATE_PUBLIC_THREADS
    | SEND_MESSAGES_IN_THREADS
)
"""What everyone may do in a guild that nobody has touched."""


@dataclass(slots=True)
class Role:
    id: int
    name: str
    permissions: int = 0
    bot: int | None = None
    """Of a role that Discord made for a bot: the bot."""


@dataclass(slots=True)
class Overwrite:
    """What a role (or the member with that id) is allowed or denied in one channel."""

    id: int
    allow: int = 0
    deny: int = 0
    member: bool = False


@dataclass(slots=True)
class Channel:
    id: int
    name: str
    guild: int | None = None
    kind: int = TEXT_CHANNEL
    overwrites: list[Overwrite] = field(default_factory=list)
    parent: int | None = None
    """Of a thread: its channel."""
    owner: int | None = None
    recipient: int | None = None
    archived: bool = False
    locked: bool = False


@dataclass(slots=True)
class Member:
    user: int
    roles: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Guild:
    """The role @everyone has the guild's own id."""

    id: int
    name: str
    owner: int
    roles: dict[int, Role]
    members: dict[int, Member]

    @classmethod
    def made(cls, guild_id: int, name: str, owner: int, people: Iterable[int], bot_role: int) -> Guild:
        roles = [Role(guild_id, "@everyone", EVERYDAY), Role(bot_role, "Kura", EVERYDAY, bot=BOT_ID)]
        members = {user: Member(user) for user in (*people, owner)}
        return cls(guild_id, name, owner, {r.id: r for r in roles}, members | {BOT_ID: Member(BOT_ID, [bot_role])})


class World:
    """One guild with one channel, its owner, two askers and the bot, and a direct channel; tests add to it."""

    def __init__(self) -> None:
        people = (ASKER_ID, OTHER_ASKER_ID)
        self.guilds = {GUILD_ID: Guild.made(GUILD_ID, "Example company", OWNER_ID, people, BOT_ROLE_ID)}
        self.channels = {CHANNEL_ID: Channel(CHANNEL_ID, "questions", GUILD_ID)}
        self.closed_to_messages: set[int] = set()
        """People who take no direct messages from the bot."""
        self.direct_channel(ASKER_ID, channel_id=DIRECT_CHANNEL_ID)

    def direct_channel(self, user: int, *, channel_id: int) -> Channel:
        """The one channel between the bot and somebody; `channel_id` is its id if there is none yet."""
        for channel in self.channels.values():
            if channel.recipient == user:
                return channel
        return self.channels.setdefault(channel_id, Channel(channel_id, "", kind=DIRECT_CHANNEL, recipient=user))

    def has_bot(self, guild: int | None) -> bool:
        return guild is not None and guild in self.guilds and BOT_ID in self.guilds[guild].members

    def channels_of(self, guild: int, kinds: Sequence[int] = (TEXT_CHANNEL, ANNOUNCEMENTS)) -> list[Channel]:
        return [channel for channel in self.channels.values() if channel.guild == guild and channel.kind in kinds]

    def permissions(self, user: int, channel_id: int) -> int:
        """What somebody may do in a channel: Discord's algorithm, a thread counting as its channel. 0 if not see it."""
        channel = self.channels.get(channel_id)
        if channel is None:
            return 0
        if channel.guild is None:
            return ALL_PERMISSIONS if user in (channel.recipient, BOT_ID) else 0
        guild = self.guilds[channel.guild]
        member = guild.members.get(user)
        if member is None:
            return 0
        if guild.owner == user:
            return ALL_PERMISSIONS
        allowed = guild.roles[guild.id].permissions
        for role in member.roles:
            allowed |= guild.roles[role].permissions
        if allowed & ADMINISTRATOR:
            return ALL_PERMISSIONS
        place = self.channels.get(channel.parent, channel) if channel.parent else channel
        allowed = _overwritten(allowed, [o for o in place.overwrites if not o.member and o.id == guild.id])
        allowed = _overwritten(allowed, [o for o in place.overwrites if not o.member and o.id in member.roles])
        allowed = _overwritten(allowed, [o for o in place.overwrites if o.member and o.id == user])
        return allowed if allowed & VIEW_CHANNEL else 0


def _overwritten(allowed: int, overwrites: list[Overwrite]) -> int:
    for overwrite in overwrites:
        allowed &= ~overwrite.deny
    for overwrite in overwrites:
        allowed |= overwrite.allow
    return allowed
