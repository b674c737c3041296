"""The gateway half: a websocket that says HELLO, takes IDENTIFY and RESUME, beats and dispatches. Knows no REST."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

from aiohttp import WSMsgType, web

from tests.bot.discord_bot.standin.payloads import APPLICATION_ID, BOT, BOT_ID, GUILD_ID, Json, guild
from tests.bot.discord_bot.standin.state import State

DISPATCH, HEARTBEAT, IDENTIFY, RESUME, INVALID_SESSION, HELLO, HEARTBEAT_ACK = 0, 1, 2, 6, 9, 10, 11
AUTHENTICATION_FAILED, DISALLOWED_INTENTS, UNKNOWN_ERROR = 4004, 4014, 4000

GUILDS, GUILD_MEMBERS, GUILD_PRESENCES = 1 << 0, 1 << 1, 1 << 8
GUILD_MESSAGES, DIRECT_MESSAGES, MESSAGE_CONTENT = 1 << 9, 1 << 12, 1 << 15
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
        self.sessions: dict[str, Session] = {}
        self.identified = 0
        self.resumed = 0
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

    async def drop(self, *, repeat: int = 0) -> None:
        """Cut every connection; on resuming, the last `repeat` events come once more, as if they had not arrived."""
        for session in self.sessions.values():
            socket, session.socket = session.socket, None
            for event in session.log[len(session.log) - repeat :] if repeat else []:
                session.log.append(event | {"s": len(session.log) + 1})
            if socket is not None:
                await socket.close(code=UNKNOWN_ERROR)

    async def _identify(self, socket: web.WebSocketResponse, said: Json) -> Session | None:
        if said["token"] != self._state.token:
            await socket.close(code=AUTHENTICATION_FAILED, message=b"Authentication failed.")
            return None
        if said["intents"] & PRIVILEGED & ~self._state.privileged_intents:
            await socket.close(code=DISALLOWED_INTENTS, message=b"Disallowed intent(s).")
            return None
        session = Session(f"session-{next(self._numbers)}", said["intents"], socket=socket)
        self.sessions = {session.id: session}  # a bot has one session here: a new one ends the old
        await self._send(
            session,
            "READY",
            {
                "v": 10,
                "user": BOT,
                "guilds": [{"id": str(GUILD_ID), "unavailable": True}],
                "session_id": session.id,
                "resume_gateway_url": self.url,
                "application": {"id": str(APPLICATION_ID), "flags": 0},
            },
        )
        if session.intents & GUILDS:
            await self._send(session, "GUILD_CREATE", guild())
        self.identified += 1
        await self._state.notify()
        return session

    async def _resume(self, socket: web.WebSocketResponse, said: Json) -> Session | None:
        session = self.sessions.get(said["session_id"])
        if session is None or said["token"] != self._state.token:
            await socket.send_json({"op": INVALID_SESSION, "d": False})
            return None
        session.socket = socket
        for event in session.log[said["seq"] :]:
            await socket.send_json(event)
        await self._send(session, "RESUMED", {"_trace": []})
        self.resumed += 1
        await self._state.notify()
        return session

    async def _send(self, session: Session, event: str, data: Json) -> None:
        said = {"op": DISPATCH, "t": event, "s": len(session.log) + 1, "d": data}
        session.log.append(said)
        if session.socket is not None and not session.socket.closed:
            await session.socket.send_json(said)

    def _as_seen(self, session: Session, event: str, data: Json) -> Json | None:
        """What the session's intents let it see of an event; None: nothing."""
        if event != "MESSAGE_CREATE":
            return data
        direct = "guild_id" not in data
        if not session.intents & (DIRECT_MESSAGES if direct else GUILD_MESSAGES):
            return None
        meant_for_it = direct or any(str(BOT_ID) == somebody["id"] for somebody in (*data["mentions"], data["author"]))
        if meant_for_it or session.intents & MESSAGE_CONTENT:
            return data
        return data | {"content": "", "embeds": [], "attachments": [], "components": []}
