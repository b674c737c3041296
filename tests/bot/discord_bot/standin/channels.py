"""The REST routes of channels: messages, threads, reactions, direct messages. Knows no interaction."""

from __future__ import annotations

from urllib.parse import unquote

from aiohttp import web

from tests.bot.discord_bot.standin import world as may
from tests.bot.discord_bot.standin.gateway import MESSAGE_CONTENT, Gateway, without_content
from tests.bot.discord_bot.standin.limits import check_thread_name, refuse
from tests.bot.discord_bot.standin.messages import Messages
from tests.bot.discord_bot.standin.payloads import BOT_ID, Json, channel
from tests.bot.discord_bot.standin.replying import Handler, Refusal, as_json
from tests.bot.discord_bot.standin.state import EPHEMERAL, State
from tests.bot.discord_bot.standin.world import DIRECT_CHANNEL, PUBLIC_THREAD, THREADS, Channel

REPLY, HAS_THREAD = 19, 1 << 5


class Channels:
    """What a bot does in channels, with the permissions it has there."""

    def __init__(self, state: State, gateway: Gateway, messages: Messages) -> None:
        self._state = state
        self._gateway = gateway
        self._messages = messages

    def routes(self) -> list[tuple[str, str, Handler, bool]]:
        one = "/channels/{channel}"
        message = one + "/messages/{message}"
        reaction = message + "/reactions/{emoji}"
        return [
            ("POST", "/users/@me/channels", self._direct, True),
            ("GET", one, self._get, True),
            ("PATCH", one, self._patch, True),
            ("DELETE", one, self._delete, True),
            ("POST", one + "/typing", self._typing, True),
            ("GET", one + "/messages", self._history, True),
            ("POST", one + "/messages", self._post_message, True),
            ("GET", message, self._get_message, True),
            ("PATCH", message, self._patch_message, True),
            ("DELETE", message, self._delete_message, True),
            ("POST", message + "/threads", self._post_thread, True),
            ("PUT", one + "/thread-members/{user}", self._nothing, True),
            ("DELETE", one + "/thread-members/{user}", self._nothing, True),
            ("PUT", reaction + "/@me", self._react, True),
            ("DELETE", reaction + "/@me", self._unreact, True),
        ]

    # --- channels ---

    async def _direct(self, request: web.Request, body: Json) -> web.StreamResponse:
        someone, world = int(body["recipient_id"]), self._state.world
        if not any(someone in guild.members for guild in world.guilds.values()):
            refuse("recipient_id", "No such person is in a guild with the bot.")
        return as_json(channel(world.direct_channel(someone, channel_id=self._state.new_id())))

    async def _get(self, request: web.Request, body: Json) -> web.StreamResponse:
        return as_json(channel(self._channel(request)))

    async def _patch(self, request: web.Request, body: Json) -> web.StreamResponse:
        place = self._channel(request)
        if place.kind not in THREADS or place.owner != BOT_ID:
            self._need(place, may.MANAGE_THREADS)
        if "name" in body:
            check_thread_name(body["name"])
            place.name = body["name"]
        place.archived = body.get("archived", place.archived)
        place.locked = body.get("locked", place.locked)
        await self._gateway.dispatch("THREAD_UPDATE", channel(place))
        return as_json(channel(place))

    async def _delete(self, request: web.Request, body: Json) -> web.StreamResponse:
        place = self._channel(request)
        self._need(place, may.MANAGE_THREADS)
        del self._state.world.channels[place.id]
        await self._gateway.dispatch("THREAD_DELETE", channel(place))
        return as_json(channel(place))

    async def _typing(self, request: web.Request, body: Json) -> web.StreamResponse:
        self._may_write(self._channel(request))
        return web.Response(status=204)

    async def _nothing(self, request: web.Request, body: Json) -> web.StreamResponse:
        self._channel(request)
        return web.Response(status=204)

    # --- messages ---

    async def _history(self, request: web.Request, body: Json) -> web.StreamResponse:
        place = self._channel(request)
        self._need(place, may.READ_MESSAGE_HISTORY)
        before = int(request.query.get("before", 1 << 63))
        found = [m for m in self._seen_in(place) if int(m["id"]) < before]
        return as_json([self._as_read(m) for m in reversed(found)][: int(request.query.get("limit", 50))])

    async def _get_message(self, request: web.Request, body: Json) -> web.StreamResponse:
        found = self._message(request)
        self._need(self._channel(request), may.READ_MESSAGE_HISTORY)
        return as_json(self._as_read(found))

    async def _post_message(self, request: web.Request, body: Json) -> web.StreamResponse:
        place = self._channel(request)
        self._may_write(place)
        files = self._messages.checked(body, request)
        if files:
            self._need(place, may.ATTACH_FILES)
        if place.recipient in self._state.world.closed_to_messages:
            raise Refusal(403, 50007, "Cannot send messages to this user")
        nonce = body.get("nonce")
        for earlier in self._state.messages.values():
            same = nonce is not None and str(earlier.get("nonce")) == str(nonce)
            if same and body.get("enforce_nonce") and earlier["channel_id"] == str(place.id):
                return as_json(earlier)
        fields = self._referring(place, body.get("message_reference")) | {"nonce": nonce}
        if place.archived:
            place.archived = False
            await self._gateway.dispatch("THREAD_UPDATE", channel(place))
        return as_json(await self._messages.write(place.id, body, files, **fields))

    def _referring(self, place: Channel, reference: Json | None) -> Json:
        if reference is None:
            return {}
        self._need(place, may.READ_MESSAGE_HISTORY, code=160002)
        answered = self._state.messages.get(int(reference["message_id"]))
        if answered is None or answered["channel_id"] != str(place.id):
            if reference.get("fail_if_not_exists", True):
                refuse("message_reference", "Unknown message")
            return {}
        ids = {key: str(value) for key, value in reference.items() if key.endswith("_id")}
        return {"type": REPLY, "message_reference": ids | {"type": 0}, "referenced_message": dict(answered)}

    async def _patch_message(self, request: web.Request, body: Json) -> web.StreamResponse:
        said = self._own(request)
        files = self._messages.checked(body, request, partial=True)
        place = self._channel(request)
        if place.archived:
            raise Refusal(400, 50083, "Thread is archived")
        return as_json(await self._messages.change(said, body, files))

    async def _delete_message(self, request: web.Request, body: Json) -> web.StreamResponse:
        said = self._message(request)
        if said["author"]["id"] != str(BOT_ID):
            self._need(self._channel(request), may.MANAGE_MESSAGES)
        await self._messages.delete(said)
        return web.Response(status=204)

    # --- threads and reactions ---

    async def _post_thread(self, request: web.Request, body: Json) -> web.StreamResponse:
        place, said = self._channel(request), self._message(request)
        self._need(place, may.CREATE_PUBLIC_THREADS)
        check_thread_name(body.get("name"))
        if place.kind in THREADS or place.kind == DIRECT_CHANNEL:
            raise Refusal(400, 50024, "Cannot execute action on this channel type")
        if int(said["id"]) in self._state.world.channels or said["flags"] & HAS_THREAD:
            raise Refusal(400, 160004, "A thread has already been created for this message")
        thread = Channel(int(said["id"]), body["name"], place.guild, PUBLIC_THREAD, parent=place.id, owner=BOT_ID)
        self._state.world.channels[thread.id] = thread
        said["flags"] |= HAS_THREAD
        member = {"id": str(thread.id), "user_id": str(BOT_ID), "join_timestamp": self._state.stamp(), "flags": 0}
        made = channel(thread) | {"member": member}
        await self._gateway.dispatch("THREAD_CREATE", made | {"newly_created": True})
        return as_json(made, status=201)

    async def _react(self, request: web.Request, body: Json) -> web.StreamResponse:
        said, place = self._message(request), self._channel(request)
        self._need(place, may.ADD_REACTIONS | may.READ_MESSAGE_HISTORY)
        emoji = unquote(request.match_info["emoji"])
        self._state.reactions.setdefault(int(said["id"]), set()).add((emoji, BOT_ID))
        return web.Response(status=204)

    async def _unreact(self, request: web.Request, body: Json) -> web.StreamResponse:
        emoji = unquote(request.match_info["emoji"])
        self._state.reactions.setdefault(int(self._message(request)["id"]), set()).discard((emoji, BOT_ID))
        return web.Response(status=204)

    # --- who may ---

    def _channel(self, request: web.Request) -> Channel:
        place = self._state.world.channels.get(int(request.match_info["channel"]))
        if place is None:
            raise Refusal(404, 10003, "Unknown Channel")
        if place.guild is not None and not self._state.world.permissions(BOT_ID, place.id):
            raise Refusal(403, 50001, "Missing Access")
        return place

    def _need(self, place: Channel, permissions: int, *, code: int = 50013) -> None:
        if permissions & ~self._state.world.permissions(BOT_ID, place.id):
            raise Refusal(400 if code != 50013 else 403, code, "Missing Permissions")

    def _may_write(self, place: Channel) -> None:
        if place.locked:
            self._need(place, may.MANAGE_THREADS)
        self._need(place, may.SEND_MESSAGES_IN_THREADS if place.kind in THREADS else may.SEND_MESSAGES)

    def _seen_in(self, place: Channel) -> list[Json]:
        here = [m for m in self._state.messages.values() if m["channel_id"] == str(place.id)]
        return [m for m in here if not m["flags"] & EPHEMERAL]

    def _message(self, request: web.Request) -> Json:
        place = self._channel(request)
        found = [m for m in self._seen_in(place) if m["id"] == request.match_info["message"]]
        if not found:
            raise Refusal(404, 10008, "Unknown Message")
        return found[0]

    def _own(self, request: web.Request) -> Json:
        said = self._message(request)
        if said["author"]["id"] != str(BOT_ID):
            raise Refusal(403, 50005, "Cannot edit a message authored by another user")
        return said

    def _as_read(self, said: Json) -> Json:
        return said if self._state.privileged_intents & MESSAGE_CONTENT else without_content(said)
