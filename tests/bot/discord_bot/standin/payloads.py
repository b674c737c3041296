"""What Discord's API says, as JSON: the objects the stand-in sends. Knows no connection and keeps nothing."""

from __future__ import annotations

from typing import Any

from tests.bot.discord_bot.standin.world import (
    ALL_PERMISSIONS,
    APPLICATION_ID,
    ASKER_ID,
    BOT_ID,
    CHANNEL_ID,
    DIRECT_CHANNEL,
    DIRECT_CHANNEL_ID,
    GUILD_ID,
    OTHER_ASKER_ID,
    OWNER_ID,
    THREADS,
    Channel,
    Guild,
    Member,
    Role,
    World,
)

__all__ = [
    "APPLICATION_ID",
    "ASKER_ID",
    "BOT_ID",
    "CHANNEL_ID",
    "DIRECT_CHANNEL_ID",
    "GUILD_ID",
    "OTHER_ASKER_ID",
    "OWNER_ID",
]

Json = dict[str, Any]

WHEN = "2026-11-02T09:00:00.000000+00:00"
MESSAGE_CONTENT_FLAG = 1 << 19


def user(user_id: int, *, bot: bool = False) -> Json:
    return {
        "id": str(user_id),
        "username": "kura" if user_id == BOT_ID else f"user{user_id % 1000}",
        "discriminator": "0000",
        "global_name": None,
        "avatar": None,
        "bot": bot or user_id == BOT_ID,
        "primary_guild": None,
        "public_flags": 0,
        "flags": 0,
    }


BOT = user(BOT_ID, bot=True)
BOT_TO_ITSELF = BOT | {"mfa_enabled": True, "locale": "en-US", "email": None, "verified": True}


def application(*, flags: int = 0) -> Json:
    return {
        "id": str(APPLICATION_ID),
        "name": "Kura",
        "icon": None,
        "description": "",
        "type": None,
        "bot_public": False,
        "bot_require_code_grant": False,
        "verify_key": "0" * 64,
        "flags": flags,
        "flags_new": str(flags),
        "owner": user(OWNER_ID),
        "team": None,
        "redirect_uris": [],
        "explicit_content_filter": 0,
        "eligible_oauth2_scopes": [],
        "interactions_endpoint_url": None,
        "role_connections_verification_url": None,
        "approximate_guild_count": 1,
        "approximate_user_install_count": 0,
        "approximate_user_authorization_count": 0,
    }


def member(of: Member, *, with_user: bool, permissions: int | None = None) -> Json:
    """A member as in a message (without its user), as asked for by itself, or as in an interaction (with permissions)."""
    fields: Json = {
        "roles": [str(role) for role in of.roles],
        "nick": None,
        "avatar": None,
        "banner": None,
        "joined_at": WHEN,
        "premium_since": None,
        "communication_disabled_until": None,
        "deaf": False,
        "mute": False,
        "flags": 0,
        "pending": False,
    }
    if with_user:
        fields["user"] = user(of.user)
    if permissions is not None:
        fields["permissions"] = str(permissions)
    return fields


def role(of: Role) -> Json:
    return {
        "id": str(of.id),
        "name": of.name,
        "description": None,
        "color": 0,
        "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
        "hoist": False,
        "icon": None,
        "unicode_emoji": None,
        "position": 0,
        "permissions": str(of.permissions),
        "managed": of.bot is not None,
        "mentionable": False,
        "flags": 0,
        **({"tags": {"bot_id": str(of.bot)}} if of.bot else {}),
    }


def channel(of: Channel) -> Json:
    if of.kind == DIRECT_CHANNEL:
        people = [user(of.recipient)] if of.recipient else []
        return {"id": str(of.id), "type": of.kind, "last_message_id": None, "flags": 0, "recipients": people}
    if of.kind in THREADS:
        return {
            "id": str(of.id),
            "type": of.kind,
            "guild_id": str(of.guild),
            "parent_id": str(of.parent),
            "owner_id": str(of.owner),
            "name": of.name,
            "last_message_id": None,
            "message_count": 0,
            "member_count": 1,
            "total_message_sent": 0,
            "rate_limit_per_user": 0,
            "flags": 0,
            "thread_metadata": {
                "archived": of.archived,
                "auto_archive_duration": 1440,
                "archive_timestamp": WHEN,
                "create_timestamp": WHEN,
                "locked": of.locked,
            },
        }
    return {
        "id": str(of.id),
        "type": of.kind,
        "name": of.name,
        "position": 0,
        "permission_overwrites": [
            {"id": str(o.id), "type": int(o.member), "allow": str(o.allow), "deny": str(o.deny)} for o in of.overwrites
        ],
        "parent_id": None,
        "nsfw": False,
        "topic": None,
        "rate_limit_per_user": 0,
        "last_message_id": None,
        "flags": 0,
        "guild_id": str(of.guild),
    }


def guild(of: Guild, world: World) -> Json:
    """As in GUILD_CREATE: of the members only the bot, for that is what Discord sends without the members intent."""
    threads = [channel(one) for one in world.channels_of(of.id, THREADS) if not one.archived]
    return {
        "id": str(of.id),
        "name": of.name,
        "icon": None,
        "owner_id": str(of.owner),
        "region": "deprecated",
        "afk_timeout": 300,
        "verification_level": 0,
        "default_message_notifications": 1,
        "explicit_content_filter": 0,
        "mfa_level": 0,
        "system_channel_flags": 0,
        "premium_tier": 0,
        "preferred_locale": "en-US",
        "nsfw_level": 0,
        "features": [],
        "roles": [role(one) for one in of.roles.values()],
        "emojis": [],
        "stickers": [],
        "channels": [channel(one) for one in world.channels_of(of.id)],
        "threads": threads,
        "members": [member(of.members[BOT_ID], with_user=True)],
        "member_count": len(of.members),
        "presences": [],
        "voice_states": [],
        "stage_instances": [],
        "guild_scheduled_events": [],
        "soundboard_sounds": [],
        "large": False,
        "unavailable": False,
        "joined_at": WHEN,
    }


def message(message_id: int, channel_id: int, author: Json, content: str, **fields: Any) -> Json:
    return {
        "id": str(message_id),
        "channel_id": str(channel_id),
        "type": 0,
        "author": author,
        "content": content,
        "timestamp": WHEN,
        "edited_timestamp": None,
        "tts": False,
        "mention_everyone": False,
        "mentions": [],
        "mention_roles": [],
        "attachments": [],
        "embeds": [],
        "components": [],
        "pinned": False,
        "flags": 0,
        **fields,
    }


def interaction(
    interaction_id: int, token: str, kind: int, data: Json, *, user_id: int, place: Channel, world: World, locale: str
) -> Json:
    """Somebody's use of a command, a component or a modal in `place`; `kind` is Discord's number of it."""
    bots = world.permissions(BOT_ID, place.id)
    said: Json = {
        "id": str(interaction_id),
        "application_id": str(APPLICATION_ID),
        "type": kind,
        "token": token,
        "version": 1,
        "channel_id": str(place.id),
        "channel": channel(place) | {"permissions": str(world.permissions(user_id, place.id))},
        "app_permissions": str(bots),
        "locale": locale,
        "entitlements": [],
        "attachment_size_limit": 10_485_760,
        "data": data,
    }
    if place.guild is None:
        return said | {
            "user": user(user_id),
            "context": 1,
            "authorizing_integration_owners": {"0": "0"},
            "app_permissions": str(ALL_PERMISSIONS),
        }
    someone = world.guilds[place.guild].members.get(user_id) or Member(user_id)
    return said | {
        "guild_id": str(place.guild),
        "guild": {"id": str(place.guild), "features": [], "locale": "en-US"},
        "guild_locale": "en-US",
        "member": member(someone, with_user=True, permissions=world.permissions(user_id, place.id)),
        "context": 0,
        "authorizing_integration_owners": {"0": str(place.guild)},
    }
