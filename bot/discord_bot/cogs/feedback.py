"""The buttons below an answer, and what people say of it with them, with a form, or with a reaction.

Presses are told apart by their custom ids alone, so all of it works after a restart. Knows no answer.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any, cast

import discord
import structlog
from discord.ext import commands

from bot.discord_bot.buttons import custom_id
from bot.discord_bot.desk import Desk
from bot.discord_bot.pressing import explained, tell
from bot.discord_bot.quotes import quotes
from bot.discord_bot.recall import Rereading
from bot.discord_bot.words import Words, words
from bot.errors import explain
from bot.feedback import MAX_NOTE, Feedback, Verdict
from bot.identity import discord_principal
from retrieval.access import Principal
from retrieval.errors import NotFound

if TYPE_CHECKING:
    from bot.discord_bot.client import KuraDiscord

Interaction = discord.Interaction[Any]
_log = structlog.get_logger(__name__)

_THUMBS: dict[str, Verdict] = {"👍": "up", "👎": "down"}
_ANSWER = r"(?P<answer>[0-9A-Za-z_-]{1,80})"
_FORM = re.compile(rf"kura:wrong:{_ANSWER}")


class Saying(commands.Cog):
    """Whether an answer helped, by anybody who may read all that it was made from; and its sources."""

    def __init__(self, client: KuraDiscord, desk: Desk) -> None:
        self._client = client
        self._desk = desk
        self._turn = asyncio.Lock()

    async def cog_load(self) -> None:
        self._client.add_dynamic_items(AnswerButton)

    async def cog_unload(self) -> None:
        self._client.remove_dynamic_items(AnswerButton)

    # --- buttons and the form ---

    async def press(self, interaction: Interaction, verdict: Verdict, answer: str) -> None:
        """A thumb is pressed: it is noted, or taken back if it was noted before; 👎 asks what was wrong first."""
        said = words(str(interaction.locale))
        before = await self._desk.bridge.run(lambda: self._desk.ledger.said(answer, interaction.user.id))
        if verdict == "down" and before != "down":
            form = _form(answer, said)
            form.stop()  # kept nowhere: it comes back by its custom id (`on_interaction`)
            await interaction.response.send_modal(form)
            return
        await interaction.response.defer(ephemeral=True, thinking=True)
        new = None if before == verdict else Feedback(verdict)
        await self._say_and_tell(interaction, answer, new, before, said)

    @commands.Cog.listener()
    async def on_interaction(self, interaction: Interaction) -> None:
        """What is wrong with an answer, and what is right, comes in the form that 👎 opened."""
        data = cast(dict[str, Any], interaction.data or {})
        form = _FORM.fullmatch(str(data.get("custom_id", "")))
        if interaction.type is not discord.InteractionType.modal_submit or form is None:
            return
        if not self._client.seen.first(interaction.id):
            return
        async with explained(interaction):
            await interaction.response.defer(ephemeral=True, thinking=True)
            answer, filled = form["answer"], _filled(data)
            before = await self._desk.bridge.run(lambda: self._desk.ledger.said(answer, interaction.user.id))
            new = Feedback("down", filled.get("wrong", "").strip(), filled.get("right", "").strip())
            await self._say_and_tell(interaction, answer, new, before, words(str(interaction.locale)))

    async def _say_and_tell(
        self, interaction: Interaction, answer: str, new: Feedback | None, before: Verdict | None, said: Words
    ) -> None:
        try:
            principal = await self._principal(interaction.user)
            if principal is None:
                await tell(interaction, [said.not_a_member])
                return
            await self._say(answer, new, principal, interaction.user.id)
        except NotFound:
            await tell(interaction, [said.feedback_gone])
            return
        if new is None:
            sentence = said.feedback_taken_back
        elif before is not None and before != new.verdict:
            sentence = said.feedback_changed
        else:
            sentence = said.thanks_up if new.verdict == "up" else said.thanks_down
        await tell(interaction, [sentence])

    async def show_sources(self, interaction: Interaction, answer: str) -> None:
        """The quotes of an answer, as far as whoever presses may read their documents now."""
        said = words(str(interaction.locale))
        await interaction.response.defer(ephemeral=True, thinking=True)
        post = await self._desk.post(answer)
        if post is None:
            await tell(interaction, [said.answer_gone])
            return
        principal = await self._principal(interaction.user)
        if principal is None:
            await tell(interaction, [said.not_a_member])
            return
        reread = await Rereading(self._desk.platform).reread(post.cited, principal=principal)
        await tell(interaction, quotes(reread, said))

    # --- reactions ---

    @commands.Cog.listener()
    async def on_raw_reaction_add(self, payload: discord.RawReactionActionEvent) -> None:
        await self._reacted(payload, added=True)

    @commands.Cog.listener()
    async def on_raw_reaction_remove(self, payload: discord.RawReactionActionEvent) -> None:
        await self._reacted(payload, added=False)

    async def _reacted(self, payload: discord.RawReactionActionEvent, *, added: bool) -> None:
        verdict = _THUMBS.get(payload.emoji.name[:1])  # what follows is its colour
        person, kura = payload.user_id, self._client.user
        if verdict is None or kura is None or person == kura.id or (payload.member and payload.member.bot):
            return
        async with self._turn:  # one thumb is often taken away and another put up at once: in their order
            post = await self._desk.bridge.run(lambda: self._desk.ledger.post_of_message(payload.message_id))
            if post is not None:
                await self._count(post.answer, verdict, payload, added=added)

    async def _count(
        self, answer: str, verdict: Verdict, payload: discord.RawReactionActionEvent, *, added: bool
    ) -> None:
        before = await self._desk.bridge.run(lambda: self._desk.ledger.said(answer, payload.user_id))
        if (before == verdict) == added:  # said before with a button; or another thumb was put up since
            return
        try:
            principal = await self._principal(payload.member or discord.Object(payload.user_id))
            if principal is not None:
                await self._say(answer, Feedback(verdict) if added else None, principal, payload.user_id)
        except Exception as error:  # noqa: BLE001 - nobody waits for an answer to a reaction
            reason = f"{type(error).__name__}: {error}"
            if not isinstance(error, NotFound):
                _log.warning("A reaction was not noted.", answer_id=answer, reason=reason, known=explain(error).known)

    # --- noting ---

    async def _say(self, answer: str, new: Feedback | None, principal: Principal, person: int) -> None:
        if new is None:
            await self._desk.platform.remove_feedback(answer, principal=principal)
        else:
            await self._desk.platform.put_feedback(answer, new, principal=principal)
        verdict = None if new is None else new.verdict
        await self._desk.bridge.run(lambda: self._desk.ledger.say(answer, person, verdict))

    async def _principal(self, person: discord.abc.Snowflake) -> Principal | None:
        groups = await self._desk.groups(self._client, person)
        return None if groups is None else discord_principal(person.id, groups)


class AnswerButton(
    discord.ui.DynamicItem[discord.ui.Button[Any]], template=rf"kura:(?P<action>up|down|sources):{_ANSWER}"
):
    """👍, 👎 or Sources, below an answer."""

    def __init__(self, button: discord.ui.Button[Any], action: str, answer: str) -> None:
        super().__init__(button)
        self._action = action
        self._answer = answer

    @classmethod
    async def from_custom_id(cls, _: Interaction, item: Any, match: re.Match[str], /) -> AnswerButton:
        return cls(item, match["action"], match["answer"])

    async def interaction_check(self, interaction: Interaction, /) -> bool:
        return bool(interaction.client.seen.first(interaction.id))

    async def callback(self, interaction: Interaction) -> None:
        saying = cast(Saying, interaction.client.get_cog("Saying"))
        async with explained(interaction):
            if self._action == "sources":
                await saying.show_sources(interaction, self._answer)
            else:
                await saying.press(interaction, "up" if self._action == "up" else "down", self._answer)


def _form(answer: str, said: Words) -> discord.ui.Modal:
    form = discord.ui.Modal(title=said.feedback_title, custom_id=custom_id("wrong", answer))
    for name, label, example in (
        ("wrong", said.feedback_wrong_label, said.feedback_wrong_example),
        ("right", said.feedback_right_label, said.feedback_right_example),
    ):
        field: discord.ui.TextInput[Any] = discord.ui.TextInput(
            custom_id=name,
            style=discord.TextStyle.paragraph,
            placeholder=example,
            required=False,
            max_length=MAX_NOTE,
        )
        form.add_item(discord.ui.Label(text=label, component=field))
    return form


def _filled(data: dict[str, Any]) -> dict[str, str]:
    """The fields of a form that was sent, by their custom ids."""
    fields = [row.get("component") or row["components"][0] for row in data["components"]]
    return {field["custom_id"]: field["value"] for field in fields}
