"""The gateway half: a websocket that says HELLO, takes IDENTIFY and RESUME, beats and dispatches. Knows no REST."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

from aiohttp import WSMsgType, web

from tests.bot.discord_bot.standin.payloads import APPLICATION_ID, BOT, BOT_ID, MESSAGE_CONTENT_FLAG, Json, guild
from tests.bot.discord_bot.standin.state import State

DISPATCH, HEARTBEAT, IDENTIFY, RESUME, RECONNECT, INVALID_SESSION, HELLO, HEARTBEAT_ACK = 0, 1, 2, 6, 7, 9, 10, 11
AUTHENTICATION_FAILED, DISALLOWED_INTENTS, UNKNOWN_ERROR = 4004, 4014, 4000
WITHOUT_GOODBYE = 1006
"""What a client makes of a connection that ends without a close frame."""

GUILDS, GUILD_MEMBERS, GUILD_PRESENCES = 1 << 0, 1 << 1, 1 << 8
GUILD_MESSAGES, DIRECT_MESSAGES, MESSAGE_CONTENT = 1 << 9, 1 << 12, 1 << 15
GUILD_REACTIONS, DIRECT_REACTIONS = 1 << 10, 1 << 13
PRIVILEGED = GUILD_MEMBERS | GUILD_PRESENCES | MESSAGE_CONTENT

HEARTBEAT_INTERVAL_MS = 41_250


@dataclass(slots=True)
class Session:
    """One identified client; outlives its connections, so that it can be resumed."""

    id: str
    intents: int
    log: list[Json] = field(default_factory=list)
    """Every event dispatched, in order: the n-th has the sequence number n (from 1)."""
    socket: web.WebSocketResponse | None = None


class Gateway:
    """Sessions and their sockets."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._numbers = itertools.count(1)
        self._requests: dict[web.WebSocketResponse, web.Request] = {}
        self.sessions: dict[str, Session] = {}
        self.identified = 0
        self.resumed = 0
        self.refused_intents: list[int] = []
        """What was asked for and closed with 4014."""
        self.url = ""

    @property
    def ready(self) -> bool:
        """True if a client is connected and knows its guild."""
        return any(s.socket is not None and not s.socket.closed for s in self.sessions.values())

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if self._state.refuse_connections:
            self._state.refuse_connections -= 1
            return web.Response(status=503)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self._requests[socket] = request
        await socket.send_json({"op": HELLO, "d": {"heartbeat_interval": HEARTBEAT_INTERVAL_MS}, "s": None, "t": None})
        session: Session | None = None
        async for frame in socket:
            if frame.type is not WSMsgType.TEXT:
                break
            said = frame.json()
            if said["op"] == HEARTBEAT:
                await socket.send_json({"op": HEARTBEAT_ACK, "d": None})
            elif said["op"] == IDENTIFY:
                session = await self._identify(socket, said["d"])
            elif said["op"] == RESUME:
                session = await self._resume(socket, said["d"])
        self._requests.pop(socket, None)
        if session is not None and session.socket is socket:
            session.socket = None
        await self._state.notify()
        return socket

    async def dispatch(self, event: str, data: Json) -> None:
        """Send an event to every session whose intents ask for it; kept for those that are away."""
        for session in self.sessions.values():
            seen = self._as_seen(session, event, data)
            if seen is not None:
                await self._send(session, event, seen)
        await self._state.notify()

    async def drop(self, *, repeat: int = 0, code: int = UNKNOWN_ERROR) -> None:
        """Cut every connection; on resuming, the last `repeat` events come once more, as if they had not arrived.

        `code` is the close code; WITHOUT_GOODBYE resets the connection.
        """
        for session in self.sessions.values():
            socket, session.socket = session.socket, None
            for event in session.log[len(session.log) - repeat :] if repeat else []:
                session.log.append(event | {"s": len(session.log) + 1})
            if socket is None:
                continue
            if code == WITHOUT_GOODBYE:
                transport = self._requests[socket].transport
                if transport is not None:
                    transport.abort()
            else:
                await socket.close(code=code)

    async def ask_to_reconnect(self) -> None:
        """What Discord says before it restarts: come again elsewhere, and resume."""
        for session in self.sessions.values():
            if session.socket is not None:
                await session.socket.send_json({"op": RECONNECT, "d": None})

    async def forget_sessions(self) -> None:
        """Cut every connection so that none can be resumed: the client has to identify anew, and events meanwhile are lost."""
        await self.drop()
        self.sessions.clear()

    async def _identify(self, socket: web.WebSocketResponse, said: Json) -> Session | None:
        if said["token"] != self._state.token:
            await socket.close(code=AUTHENTICATION_FAILED, message=b"Authentication failed.")
            return None
        if said["intents"] & PRIVILEGED & ~self._state.privileged_intents:
            self.refused_intents.append(said["intents"])
            await socket.close(code=DISALLOWED_INTENTS, message=b"Disallowed intent(s).")
            return None
        session = Session(f"session-{next(self._numbers)}", said["intents"], socket=socket)
        self.sessions = {session.id: session}  # a bot has one session here: a new one ends the old
        guilds = [one for one in self._state.world.guilds.values() if BOT_ID in one.members]
        flags = MESSAGE_CONTENT_FLAG if self._state.privileged_intents & MESSAGE_CONTENT else 0
        await self._send(
            session,
            "READY",
            {
                "v": 10,
                "user": BOT,
                "guilds": [{"id": str(one.id), "unavailable": True} for one in guilds],
                "session_id": session.id,
                "resume_gateway_url": self.url,
                "application": {"id": str(APPLICATION_ID), "flags": flags},
            },
        )
        if session.intents & GUILDS:
            for one in guilds:
                await self._send(session, "GUILD_CREATE", guild(one, self._state.world))
        self.identified += 1
        await self._state.notify()
        return session

    async def _resume(self, socket: web.WebSocketResponse, said: Json) -> Session | None:
        session = self.sessions.get(said["session_id"])
        if session is None or said["token"] != self._state.token:
            await socket.send_json({"op": INVALID_SESSION, "d": False})
            return None
        seen = said["seq"]
        while seen < len(session.log):  # more may happen meanwhile
            await socket.send_json(session.log[seen])
            seen += 1
        session.socket = socket
        await self._send(session, "RESUMED", {"_trace": []})
        self.resumed += 1
        await self._state.notify()
        return session

    async def _send(self, session: Session, event: str, data: Json) -> None:
        said = {"op": DISPATCH, "t": event, "s": len(session.log) + 1, "d": data}
        session.log.append(said)
        if session.socket is not None and not session.socket.closed:
            try:
                await session.socket.send_json(said)
            except ConnectionError:
                session.socket = None  # cut meanwhile: it is in the log for when the client resumes

    def _as_seen(self, session: Session, event: str, data: Json) -> Json | None:
        """What the session's intents, and the bot's sight of channels, let it see of an event; None: nothing."""
        direct = "guild_id" not in data
        if event == "INTERACTION_CREATE":
            return data
        if event.startswith("MESSAGE_REACTION"):
            wanted = DIRECT_REACTIONS if direct else GUILD_REACTIONS
        elif event.startswith("MESSAGE_"):
            wanted = DIRECT_MESSAGES if direct else GUILD_MESSAGES
        elif event.startswith("GUILD_MEMBER"):
            wanted = GUILDS if data["user"]["id"] == str(BOT_ID) else GUILD_MEMBERS
        else:
            wanted = GUILDS
        if not session.intents & wanted:
            return None
        world, place = self._state.world, int(data.get("channel_id", 0))
        if place in world.channels and not world.permissions(BOT_ID, place):
            return None
        if event not in ("MESSAGE_CREATE", "MESSAGE_UPDATE") or session.intents & MESSAGE_CONTENT:
            return data
        return without_content(data)


def without_content(message: Json) -> Json:
    """A message as somebody without the message content intent gets it, and the one that it answers."""
    meant_for_it = "guild_id" not in message or any(
        str(BOT_ID) == somebody["id"] for somebody in (*message["mentions"], message["author"])
    )
    if isinstance(message.get("referenced_message"), dict):
        message = message | {"referenced_message": without_content({"guild_id": "0"} | message["referenced_message"])}
    return message if meant_for_it else message | {"content": "", "embeds": [], "attachments": [], "components": []}
