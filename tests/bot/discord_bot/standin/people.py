"""What people do on the stand-in: write, use commands, press buttons, fill in forms, react. Knows no route.

asked = await discord.slash("ask", {"question": "How many days of leave?"}, locale="ja")
await discord.until(lambda: asked.contents)
pressed = await discord.click(asked.messages[-1], "kura:down:")       # a custom id, or how it begins
await discord.until(lambda: pressed.modal)
sent = await discord.submit(pressed, {"wrong": "the year"})
offered = await discord.autocomplete("ask", "source", "hand")         # offered.choices
menu = await discord.message_menu("Ask Kura about this", message_id)
await discord.react(message_id, "👍"); await discord.unreact(message_id, "👍")

Each gives an `Asked`, which holds what the client replied. What nobody could do on Discord (press a button that is not
there, use a command that is not registered) fails the test.
"""

from __future__ import annotations

import asyncio
from typing import Any

from tests.bot.discord_bot.standin.gateway import Gateway
from tests.bot.discord_bot.standin.interactions import AUTOCOMPLETE, COMMAND, COMPONENT, MODAL_SUBMIT
from tests.bot.discord_bot.standin.limits import BUTTON, LABEL, SELECT, SUBCOMMANDS, inputs_of, parts_of
from tests.bot.discord_bot.standin.payloads import BOT, BOT_ID, Json, interaction, member, message, user
from tests.bot.discord_bot.standin.state import EPHEMERAL, Asked, State
from tests.bot.discord_bot.standin.world import ASKER_ID, CHANNEL_ID, SEND_MESSAGES, THREADS, Member

MESSAGE_MENU, STRING = 3, 3


class People:
    """Everybody but the bot."""

    def __init__(self, state: State, gateway: Gateway) -> None:
        self.state = state
        self.gateway = gateway

    # --- messages ---

    async def say(
        self,
        text: str,
        *,
        user_id: int = ASKER_ID,
        channel_id: int = CHANNEL_ID,
        mentions: list[Json] | None = None,
        reply_to: int | None = None,
        bot: bool = False,
    ) -> int:
        """Somebody writes a message in a channel, a thread or a direct channel; returns its id."""
        place, number = self.state.world.channels[channel_id], self.state.new_id()
        said = message(number, channel_id, user(user_id, bot=bot), text, mentions=mentions or [])
        said["timestamp"] = self.state.stamp()
        if place.guild is not None:
            someone = self.state.world.guilds[place.guild].members.get(user_id) or Member(user_id)
            said |= {"guild_id": str(place.guild), "member": member(someone, with_user=False)}
        if reply_to is not None:
            said |= {
                "type": 19,
                "message_reference": {"type": 0, "message_id": str(reply_to), "channel_id": str(channel_id)},
                "referenced_message": dict(self.state.messages[reply_to]),
            }
        if place.kind in THREADS:
            place.archived = False
        self.state.messages[number] = said
        await self.gateway.dispatch("MESSAGE_CREATE", dict(said))
        return number

    async def mention(self, text: str, *, user_id: int = ASKER_ID, channel_id: int = CHANNEL_ID) -> int:
        """Somebody mentions the bot in front of `text`."""
        return await self.say(f"<@{BOT_ID}> {text}", user_id=user_id, channel_id=channel_id, mentions=[BOT])

    async def delete_message(self, message_id: int) -> None:
        """A moderator deletes a message."""
        gone = self.state.messages.pop(message_id)
        ids: Json = {key: gone[key] for key in ("id", "channel_id", "guild_id") if key in gone}
        await self.gateway.dispatch("MESSAGE_DELETE", ids)

    async def react(self, message_id: int, emoji: str, *, user_id: int = ASKER_ID) -> None:
        """Somebody puts an emoji under a message."""
        self.state.reactions.setdefault(message_id, set()).add((emoji, user_id))
        await self.gateway.dispatch("MESSAGE_REACTION_ADD", self._reaction(message_id, emoji, user_id, added=True))

    async def unreact(self, message_id: int, emoji: str, *, user_id: int = ASKER_ID) -> None:
        """Somebody takes their emoji back."""
        self.state.reactions[message_id].remove((emoji, user_id))
        await self.gateway.dispatch("MESSAGE_REACTION_REMOVE", self._reaction(message_id, emoji, user_id, added=False))

    def _reaction(self, message_id: int, emoji: str, user_id: int, *, added: bool) -> Json:
        on = self.state.messages[message_id]
        assert not on["flags"] & EPHEMERAL, "nobody can react to what one person sees"
        said: Json = {
            "user_id": str(user_id),
            "channel_id": on["channel_id"],
            "message_id": on["id"],
            "emoji": {"id": None, "name": emoji},
            "burst": False,
            "type": 0,
        }
        guild = self.state.world.channels[int(on["channel_id"])].guild
        if guild is not None:
            said["guild_id"] = str(guild)
            if added:
                someone = self.state.world.guilds[guild].members.get(user_id) or Member(user_id)
                said |= {"member": member(someone, with_user=True), "message_author_id": on["author"]["id"]}
        return said

    # --- commands ---

    async def slash(
        self,
        name: str,
        options: dict[str, Any] | None = None,
        *,
        user_id: int = ASKER_ID,
        channel_id: int = CHANNEL_ID,
        locale: str = "en-US",
    ) -> Asked:
        """Somebody uses a command; of a group, "kura status"."""
        data = self._command(name, options or {}, focused=None)
        return await self._interact(COMMAND, data, user_id, channel_id, locale)

    async def ask(
        self, question: str, *, user_id: int = ASKER_ID, channel_id: int = CHANNEL_ID, **options: Any
    ) -> Asked:
        """Somebody uses `/ask` in English."""
        return await self.slash("ask", {"question": question, **options}, user_id=user_id, channel_id=channel_id)

    async def autocomplete(
        self,
        name: str,
        option: str,
        typed: str,
        options: dict[str, Any] | None = None,
        *,
        user_id: int = ASKER_ID,
        channel_id: int = CHANNEL_ID,
        locale: str = "en-US",
    ) -> Asked:
        """Somebody has typed something into one option; `choices` of the result is what they are offered."""
        data = self._command(name, (options or {}) | {option: typed}, focused=option)
        return await self._interact(AUTOCOMPLETE, data, user_id, channel_id, locale)

    async def message_menu(
        self, name: str, message_id: int, *, user_id: int = ASKER_ID, locale: str = "en-US"
    ) -> Asked:
        """Somebody chooses a command from a message's context menu."""
        on = self.state.messages[message_id]
        data = self._registered(name, MESSAGE_MENU) | {
            "type": MESSAGE_MENU,
            "target_id": str(message_id),
            "resolved": {"messages": {str(message_id): {k: v for k, v in on.items() if k != "guild_id"}}},
        }
        return await self._interact(COMMAND, data, user_id, int(on["channel_id"]), locale)

    def _command(self, name: str, options: dict[str, Any], *, focused: str | None) -> Json:
        first, *path = name.split()
        data = self._registered(first, 1) | {"type": 1}
        known, holder = self._definition(first, 1), data
        for part in path:
            known = next(o for o in known["options"] if o["name"] == part)
            assert known["type"] in SUBCOMMANDS, f"{part} is an option, not a command"
            holder["options"] = [{"name": part, "type": known["type"]}]
            holder = holder["options"][0]
        takes = {option["name"]: option for option in known.get("options") or []}
        assert set(options) <= set(takes), f"/{name} takes {sorted(takes)}, not {sorted(options)}"
        missing = {n for n, option in takes.items() if option.get("required")} - set(options)
        assert not missing or focused, f"/{name} needs {missing}"
        holder["options"] = [
            {"name": key, "type": takes[key].get("type", STRING), "value": value}
            | ({"focused": True} if key == focused else {})
            for key, value in options.items()
        ]
        assert not focused or takes[focused].get("autocomplete"), f"{focused} of /{name} offers nothing"
        return data

    def _definition(self, name: str, kind: int) -> Json:
        found = [c for c in self.state.commands if c["name"] == name and c.get("type", 1) == kind]
        assert found, f"no command {name} of kind {kind} is registered: {[c['name'] for c in self.state.commands]}"
        return found[0]

    def _registered(self, name: str, kind: int) -> Json:
        return {"id": self._definition(name, kind)["id"], "name": name}

    # --- components and forms ---

    async def click(
        self,
        on: Json | int,
        custom_id: str,
        *,
        user_id: int = ASKER_ID,
        locale: str = "en-US",
        values: list[str] | None = None,
    ) -> Asked:
        """Somebody presses the button of a message whose custom id is, or begins with, `custom_id`; `values`: of a menu."""
        told = self.state.messages[on if isinstance(on, int) else int(on["id"])]
        found = [p for p in parts_of(told) if (p.get("custom_id") or "").startswith(custom_id)]
        exact = [p for p in found if p["custom_id"] == custom_id] or found
        assert len(exact) == 1, f"{len(exact)} parts {custom_id} in {[p.get('custom_id') for p in parts_of(told)]}"
        [part] = exact
        assert not part.get("disabled"), f"{custom_id} cannot be pressed"
        data = {"custom_id": part["custom_id"], "component_type": SELECT if values else BUTTON, "id": 1}
        if values:
            data["values"] = values
        channel = int(told["channel_id"])
        return await self._interact(COMPONENT, data, user_id, channel, locale, on=told)

    async def submit(self, opened: Asked, fields: dict[str, str], *, locale: str | None = None) -> Asked:
        """Whoever opened a form sends it; a field that is not given is left as the form has it."""
        assert opened.modal is not None, "no form was opened"
        known = {field["custom_id"]: field for field in inputs_of(opened.modal)}
        assert set(fields) <= set(known), f"the form has {sorted(known)}"
        rows = []
        for row in opened.modal["components"]:
            parts = [
                {"type": field["type"], "id": 1, "custom_id": field["custom_id"]}
                | {"value": fields.get(field["custom_id"], field.get("value") or "")}
                for field in inputs_of({"components": [row]})
            ]
            for part in parts:
                field = known[part["custom_id"]]
                assert part["value"] or not field.get("required", True), f"{part['custom_id']} must be filled in"
                assert len(part["value"]) <= (field.get("max_length") or 4_000), f"{part['custom_id']} is too long"
            if row["type"] == LABEL:
                rows += [{"type": LABEL, "id": 1, "component": part} for part in parts]
            else:
                rows.append({"type": row["type"], "id": 1, "components": parts})
        data = {"custom_id": opened.modal["custom_id"], "components": rows}
        where = (opened.user_id, opened.channel_id, locale or opened.locale)
        return await self._interact(MODAL_SUBMIT, data, *where, on=opened.message)

    async def _interact(
        self, kind: int, data: Json, user_id: int, channel_id: int, locale: str, *, on: Json | None = None
    ) -> Asked:
        number, place = self.state.new_id(), self.state.world.channels[channel_id]
        asked = Asked(
            number,
            f"interaction-token-{number}",
            channel_id,
            self.state.now(),
            user_id=user_id,
            kind=kind,
            locale=locale,
            message=on,
            began=asyncio.get_running_loop().time(),
        )
        self.state.asked[asked.token] = asked
        said = interaction(
            number, asked.token, kind, data, user_id=user_id, place=place, world=self.state.world, locale=locale
        )
        if on is not None:
            said["message"] = dict(on)
        await self.gateway.dispatch("INTERACTION_CREATE", said)
        return asked

    def can_write(self, user_id: int, channel_id: int) -> bool:
        """Whether somebody may write in a channel."""
        return bool(self.state.world.permissions(user_id, channel_id) & SEND_MESSAGES)
