"""The REST routes of interactions: the first response within three seconds, then its token's webhook. Knows no channel route."""

from __future__ import annotations

import asyncio

from aiohttp import web

from tests.bot.discord_bot.standin.limits import check_choices, check_modal
from tests.bot.discord_bot.standin.messages import Messages
from tests.bot.discord_bot.standin.payloads import APPLICATION_ID, Json, user
from tests.bot.discord_bot.standin.replying import Handler, Refusal, as_json
from tests.bot.discord_bot.standin.state import EPHEMERAL, THINKING, Asked, State

COMMAND, COMPONENT, AUTOCOMPLETE, MODAL_SUBMIT = 2, 3, 4, 5
IMMEDIATE, DEFERRED, DEFERRED_UPDATE, UPDATE, CHOICES, MODAL = 4, 5, 6, 7, 8, 9
ANSWERED_BY = {
    COMMAND: {IMMEDIATE, DEFERRED, MODAL},
    COMPONENT: {IMMEDIATE, DEFERRED, DEFERRED_UPDATE, UPDATE, MODAL},
    AUTOCOMPLETE: {CHOICES},
    MODAL_SUBMIT: {IMMEDIATE, DEFERRED, DEFERRED_UPDATE, UPDATE},
}
"""Which responses each kind of interaction takes."""


class Interactions:
    """The token in the address is the credential of all these."""

    def __init__(self, state: State, messages: Messages) -> None:
        self._state = state
        self._messages = messages

    def routes(self) -> list[tuple[str, str, Handler, bool]]:
        webhook = "/webhooks/{application}/{token}"
        return [
            ("POST", "/interactions/{interaction}/{token}/callback", self._callback, False),
            ("POST", webhook, self._follow_up, False),
            ("GET", webhook + "/messages/{message}", self._get, False),
            ("PATCH", webhook + "/messages/{message}", self._patch, False),
            ("DELETE", webhook + "/messages/{message}", self._delete, False),
        ]

    async def _callback(self, request: web.Request, body: Json) -> web.StreamResponse:
        asked = self._state.asked.get(request.match_info["token"])
        elapsed = asyncio.get_running_loop().time() - asked.began if asked else 0.0
        if asked is None or elapsed > self._state.acknowledge_within_s or self._state.expired(asked):
            raise Refusal(404, 10062, "Unknown interaction")
        if asked.acknowledged_after_s is not None:
            raise Refusal(400, 40060, "Interaction has already been acknowledged.")
        kind, data = body["type"], body.get("data") or {}
        if kind not in ANSWERED_BY[asked.kind] or (kind in (DEFERRED_UPDATE, UPDATE) and asked.message is None):
            raise Refusal(400, 50035, f"Invalid Form Body: type: {kind} does not answer an interaction of {asked.kind}")
        await self._respond(asked, kind, data, request)
        asked.acknowledged_after_s = elapsed
        if request.query.get("with_response") not in {"1", "true", "True"}:
            return web.Response(status=204)
        callback: Json = {"id": str(asked.id), "type": asked.kind}
        if asked.original is None:
            return as_json({"interaction": callback, "resource": {"type": kind}})
        callback["response_message_id"] = asked.original["id"]
        return as_json({"interaction": callback, "resource": {"type": kind, "message": asked.original}})

    async def _respond(self, asked: Asked, kind: int, data: Json, request: web.Request) -> None:
        if kind == CHOICES:
            check_choices(data.get("choices") or [])
            asked.choices = data.get("choices") or []
        elif kind == MODAL:
            check_modal(data)
            asked.modal = data
        elif kind == DEFERRED_UPDATE:
            asked.original = asked.message
        elif kind == UPDATE:
            files = self._messages.checked(data, request, partial=True)
            assert asked.message is not None
            asked.original = await self._messages.change(asked.message, data, files)
        elif kind == IMMEDIATE:
            files = self._messages.checked(data, request)
            asked.original = await self._write(asked, data, files)
        else:
            asked.original = await self._write(asked, {"flags": data.get("flags", 0) & EPHEMERAL | THINKING}, [])

    async def _follow_up(self, request: web.Request, body: Json) -> web.StreamResponse:
        asked = self._acknowledged(request)
        files = self._messages.checked(body, request)
        if asked.original is not None and asked.original["flags"] & THINKING:
            changed = {key: value for key, value in body.items() if key != "flags"}  # as it was deferred it stays
            return as_json(await self._messages.change(asked.original, changed, files, drop_flags=THINKING))
        said = await self._write(asked, body, files)
        asked.followups.append(said)
        return as_json(said)

    async def _get(self, request: web.Request, body: Json) -> web.StreamResponse:
        return as_json(self._message(request, self._acknowledged(request)))

    async def _patch(self, request: web.Request, body: Json) -> web.StreamResponse:
        said = self._message(request, self._acknowledged(request))
        files = self._messages.checked(body, request, partial=True)
        return as_json(await self._messages.change(said, body, files, drop_flags=THINKING))

    async def _delete(self, request: web.Request, body: Json) -> web.StreamResponse:
        asked = self._acknowledged(request)
        said = self._message(request, asked)
        await self._messages.delete(said)
        if said is asked.original:
            asked.original = None
        else:
            asked.followups.remove(said)
        return web.Response(status=204)

    async def _write(self, asked: Asked, body: Json, files: list[tuple[int, str, bytes]]) -> Json:
        metadata: Json = {
            "id": str(asked.id),
            "type": asked.kind,
            "user": user(asked.user_id),
            "authorizing_integration_owners": {},
        }
        if asked.kind == COMPONENT and asked.message is not None:
            metadata["interacted_message_id"] = asked.message["id"]
        fields = {"webhook_id": str(APPLICATION_ID), "application_id": str(APPLICATION_ID)}
        return await self._messages.write(asked.channel_id, body, files, interaction_metadata=metadata, **fields)

    def _acknowledged(self, request: web.Request) -> Asked:
        asked = self._state.asked.get(request.match_info["token"])
        if asked is None or asked.acknowledged_after_s is None:
            raise Refusal(404, 10015, "Unknown Webhook")
        if self._state.expired(asked):
            raise Refusal(401, 50027, "Invalid Webhook Token")
        return asked

    def _message(self, request: web.Request, asked: Asked) -> Json:
        wanted = request.match_info["message"]
        if wanted == "@original":
            found = asked.original
        else:
            known = [*asked.followups, *([asked.original] if asked.original else [])]
            found = next((m for m in known if m["id"] == wanted), None)
        if found is None or int(found["id"]) not in self._state.messages:
            raise Refusal(404, 10008, "Unknown Message")
        return found
