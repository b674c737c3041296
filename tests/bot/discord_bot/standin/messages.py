"""Messages of the bot as the stand-in keeps them: written, changed, deleted, and told to the client. Knows no route."""

from __future__ import annotations

from aiohttp import web

from tests.bot.discord_bot.standin.gateway import Gateway
from tests.bot.discord_bot.standin.limits import FILE_BYTES, check_message
from tests.bot.discord_bot.standin.payloads import BOT, Json, message
from tests.bot.discord_bot.standin.replying import FILES, Files, Refusal
from tests.bot.discord_bot.standin.state import EPHEMERAL, State


class Messages:
    """Writes and changes what the bot says, with Discord's limits."""

    def __init__(self, state: State, gateway: Gateway) -> None:
        self._state = state
        self._gateway = gateway

    def checked(self, body: Json, request: web.Request, *, partial: bool = False) -> Files:
        """The files that came with a message; notes text that could notify somebody."""
        files: Files = request[FILES]
        check_message(body, files=len(files), partial=partial)
        if body.get("content") and (body.get("allowed_mentions") or {}).get("parse") != []:
            self._state.breaches.append(f"{request.method} {request.path}: text that may mention people")
        if any(len(content) > FILE_BYTES for _, _, content in files):
            raise Refusal(413, 40005, "Request entity too large")
        return files

    async def write(self, channel_id: int, body: Json, files: Files, **fields: object) -> Json:
        """A new message of the bot, told to the client unless only one person sees it."""
        said = message(
            self._state.new_id(), channel_id, BOT, body.get("content") or "", timestamp=self._state.stamp(), **fields
        )
        said["flags"] |= body.get("flags", 0)
        self._fill(said, body, files)
        channel = self._state.world.channels.get(channel_id)
        if channel and channel.guild:
            said["guild_id"] = str(channel.guild)
        self._state.messages[int(said["id"])] = said
        if not said["flags"] & EPHEMERAL:
            await self._gateway.dispatch("MESSAGE_CREATE", dict(said))
        return said

    async def change(self, said: Json, body: Json, files: Files, *, drop_flags: int = 0) -> Json:
        """Change a message in place."""
        if "content" in body:
            said["content"] = body["content"] or ""
        if body.get("flags") is not None:
            said["flags"] = body["flags"] | said["flags"] & (EPHEMERAL | 1 << 5)
        said["flags"] &= ~drop_flags
        said["edited_timestamp"] = self._state.stamp()
        self._fill(said, body, files)
        if not said["flags"] & EPHEMERAL:
            await self._gateway.dispatch("MESSAGE_UPDATE", dict(said))
        return said

    async def delete(self, said: Json) -> None:
        del self._state.messages[int(said["id"])]
        if not said["flags"] & EPHEMERAL:
            gone: Json = {key: said[key] for key in ("id", "channel_id", "guild_id") if key in said}
            await self._gateway.dispatch("MESSAGE_DELETE", gone)

    def _fill(self, said: Json, body: Json, files: Files) -> None:
        for key in ("components", "embeds"):
            if key in body:
                said[key] = body[key] or []
        if "attachments" in body or files:
            kept = {str(one["id"]) for one in body.get("attachments") or []}
            said["attachments"] = [one for one in said["attachments"] if one["id"] in kept]
        for _, name, content in files:
            number = self._state.new_id()
            self._state.files[number] = content
            address = f"https://cdn.discordapp.example/attachments/{number}/{name}"
            said["attachments"].append(
                {"id": str(number), "filename": name, "size": len(content), "url": address, "proxy_url": address}
            )
