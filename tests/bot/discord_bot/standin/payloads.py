"""What Discord's API says, as JSON: the objects the stand-in sends. Knows no connection and keeps nothing."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

APPLICATION_ID = 100_000_000_000_000_001
BOT_ID = 100_000_000_000_000_002
GUILD_ID = 200_000_000_000_000_001
CHANNEL_ID = 300_000_000_000_000_001
DIRECT_CHANNEL_ID = 300_000_000_000_000_002
ASKER_ID = 400_000_000_000_000_001
OTHER_ASKER_ID = 400_000_000_000_000_002

TEXT_CHANNEL, DIRECT_CHANNEL = 0, 1
ALL_PERMISSIONS = str((1 << 50) - 1)
WHEN = "2026-11-02T09:00:00.000000+00:00"


def user(user_id: int, *, bot: bool = False) -> Json:
    return {
        "id": str(user_id),
        "username": f"user{user_id % 1000}",
        "discriminator": "0000",
        "global_name": None,
        "avatar": None,
        "bot": bot,
        "primary_guild": None,
        "public_flags": 0,
        "flags": 0,
    }


BOT = user(BOT_ID, bot=True)
BOT_TO_ITSELF = BOT | {"mfa_enabled": True, "locale": "en-US", "email": None, "verified": True}


def application() -> Json:
    return {
        "id": str(APPLICATION_ID),
        "name": "Kura",
        "icon": None,
        "description": "",
        "type": None,
        "bot_public": False,
        "bot_require_code_grant": False,
        "verify_key": "0" * 64,
        "flags": 0,
        "flags_new": "0",
        "owner": user(ASKER_ID),
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


def member(user_id: int, *, with_user: bool) -> Json:
    """A member as in an interaction (with its user and permissions), or as in a message (without)."""
    fields: Json = {
        "roles": [],
        "nick": None,
        "avatar": None,
        "joined_at": WHEN,
        "premium_since": None,
        "deaf": False,
        "mute": False,
        "flags": 0,
        "pending": False,
    }
    if with_user:
        fields |= {"user": user(user_id), "permissions": ALL_PERMISSIONS}
    return fields


def channel(channel_id: int) -> Json:
    if channel_id == DIRECT_CHANNEL_ID:
        return {"id": str(channel_id), "type": DIRECT_CHANNEL, "last_message_id": None, "recipients": [user(ASKER_ID)]}
    return {
        "id": str(channel_id),
        "type": TEXT_CHANNEL,
        "name": "questions",
        "position": 0,
        "permission_overwrites": [],
        "parent_id": None,
        "nsfw": False,
        "topic": None,
        "rate_limit_per_user": 0,
        "last_message_id": None,
        "guild_id": str(GUILD_ID),
    }


def guild() -> Json:
    everyone = {
        "id": str(GUILD_ID),
        "name": "@everyone",
        "color": 0,
        "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
        "hoist": False,
        "position": 0,
        "permissions": ALL_PERMISSIONS,
        "managed": False,
        "mentionable": False,
        "flags": 0,
    }
    return {
        "id": str(GUILD_ID),
        "name": "Example company",
        "icon": None,
        "owner_id": str(ASKER_ID),
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
        "roles": [everyone],
        "emojis": [],
        "stickers": [],
        "channels": [channel(CHANNEL_ID)],
        "threads": [],
        "members": [member(BOT_ID, with_user=True) | {"user": BOT}],
        "member_count": 3,
        "presences": [],
        "voice_states": [],
        "stage_instances": [],
        "guild_scheduled_events": [],
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


def interaction(interaction_id: int, token: str, name: str, options: Json, *, user_id: int, channel_id: int) -> Json:
    """A slash command with string options, used in the guild."""
    return {
        "id": str(interaction_id),
        "application_id": str(APPLICATION_ID),
        "type": 2,
        "token": token,
        "version": 1,
        "guild_id": str(GUILD_ID),
        "guild": {"id": str(GUILD_ID), "features": [], "locale": "en-US"},
        "channel_id": str(channel_id),
        "channel": channel(channel_id) | {"permissions": ALL_PERMISSIONS},
        "member": member(user_id, with_user=True),
        "app_permissions": ALL_PERMISSIONS,
        "locale": "en-US",
        "guild_locale": "en-US",
        "entitlements": [],
        "authorizing_integration_owners": {"0": str(GUILD_ID)},
        "context": 0,
        "attachment_size_limit": 10_485_760,
        "data": {
            "id": str(APPLICATION_ID + 500),
            "name": name,
            "type": 1,
            "options": [{"name": key, "type": 3, "value": value} for key, value in options.items()],
        },
    }
