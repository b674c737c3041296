"""The stand-in keeps to Discord's rules: a plain discord.py client against it, without Kura."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import aiohttp
import discord
import pytest
from discord import app_commands, ui

from tests.bot.discord_bot.standin.gateway import GUILD_MEMBERS, MESSAGE_CONTENT, WITHOUT_GOODBYE
from tests.bot.discord_bot.standin.server import StandIn
from tests.bot.discord_bot.standin.state import PATIENCE_S
from tests.bot.discord_bot.standin.world import (
    ASKER_ID,
    CHANNEL_ID,
    CREATE_PUBLIC_THREADS,
    DIRECT_CHANNEL_ID,
    GUILD_ID,
    OTHER_ASKER_ID,
    SEND_MESSAGES,
    VIEW_CHANNEL,
    Overwrite,
)

pytestmark = pytest.mark.anyio


class Form(ui.Modal, title="What was wrong?"):
    wrong: ui.TextInput[Form] = ui.TextInput(label="Wrong", custom_id="wrong", required=False)

    async def on_submit(self, interaction: discord.Interaction) -> None:
        await interaction.response.send_message(f"heard: {self.wrong.value}", ephemeral=True)


class Buttons(ui.View):
    def __init__(self) -> None:
        super().__init__(timeout=None)

    @ui.button(label="form", custom_id="t:form")
    async def form(self, interaction: discord.Interaction, button: ui.Button[Buttons]) -> None:
        await interaction.response.send_modal(Form())

    @ui.button(label="change", custom_id="t:change")
    async def change(self, interaction: discord.Interaction, button: ui.Button[Buttons]) -> None:
        await interaction.response.edit_message(content="changed", view=None)


class Plain(discord.Client):
    """Commands of each kind, and a record of what arrives."""

    def __init__(self, intents: discord.Intents) -> None:
        super().__init__(intents=intents, allowed_mentions=discord.AllowedMentions.none())
        self.tree = app_commands.CommandTree(self)
        self.heard: list[str] = []
        self._more = asyncio.Condition()

    async def hears(self, count: int) -> None:
        async with asyncio.timeout(PATIENCE_S), self._more:
            await self._more.wait_for(lambda: len(self.heard) >= count)

    async def hear(self, what: str) -> None:
        self.heard.append(what)
        async with self._more:
            self._more.notify_all()

    async def setup_hook(self) -> None:
        @self.tree.command(description="say something")
        async def say(interaction: discord.Interaction, text: str, hidden: bool = False) -> None:
            await interaction.response.defer(ephemeral=hidden)
            file = discord.File(io.BytesIO(text.encode()), "said.txt")
            await interaction.edit_original_response(content=text, view=Buttons(), attachments=[file])
            await interaction.followup.send("more", wait=True)

        @say.autocomplete("text")
        async def offered(interaction: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
            return [app_commands.Choice(name=typed * n, value=typed) for n in (1, 2)]

        @self.tree.context_menu(name="Ask about this")
        async def menu(interaction: discord.Interaction, message: discord.Message) -> None:
            await interaction.response.send_message(f"{interaction.locale}: {message.content}")

        group = app_commands.Group(name="kura", description="for administrators")
        self.tree.add_command(group)

        @group.command(description="how it stands")
        async def status(interaction: discord.Interaction) -> None:
            await interaction.response.send_message("well")

        await self.tree.sync()

    async def on_message(self, message: discord.Message) -> None:
        if self.user and message.author.id != self.user.id:
            await self.hear(message.content)

    async def on_raw_reaction_add(self, payload: discord.RawReactionActionEvent) -> None:
        await self.hear(f"+{payload.emoji}{payload.user_id}")

    async def on_raw_reaction_remove(self, payload: discord.RawReactionActionEvent) -> None:
        await self.hear(f"-{payload.emoji}{payload.user_id}")


@asynccontextmanager
async def plain_on(stand_in: StandIn, *, content: bool = True) -> AsyncIterator[Plain]:
    intents = discord.Intents.default()
    intents.message_content = content
    client = Plain(intents)
    running = asyncio.create_task(client.start(stand_in.state.token))
    try:
        await stand_in.connected()
        await client.wait_until_ready()
        yield client
    finally:
        await client.close()
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


def place_of(client: Plain, channel_id: int = CHANNEL_ID) -> discord.TextChannel:
    channel = client.get_channel(channel_id)
    assert isinstance(channel, discord.TextChannel)
    return channel


async def test_a_command_a_button_and_a_form(stand_in: StandIn) -> None:
    async with plain_on(stand_in):
        asked = await stand_in.slash("say", {"text": "hello", "hidden": True})
        await stand_in.until(lambda: len(asked.messages) == 2)
        assert asked.ephemeral
        assert asked.contents == ["hello", "more"]
        assert stand_in.files_of(asked.messages[0]) == {"said.txt": "hello"}
        pressed = await stand_in.click(asked.messages[0], "t:form")
        await stand_in.until(lambda: pressed.modal)
        sent = await stand_in.submit(pressed, {"wrong": "the year"})
        await stand_in.until(lambda: sent.contents)
        assert sent.contents == ["heard: the year"]
        changed = await stand_in.click(asked.messages[0], "t:change")
        await stand_in.until(lambda: changed.original)
    assert asked.contents[0] == "changed"
    assert changed.contents == []
    with pytest.raises(AssertionError):
        await stand_in.click(asked.messages[0], "t:form")  # it is gone
    assert stand_in.answers() == []


async def test_autocomplete_a_menu_and_a_group(stand_in: StandIn) -> None:
    async with plain_on(stand_in):
        offered = await stand_in.autocomplete("say", "text", "ab")
        said = await stand_in.say("the rule")
        menu = await stand_in.message_menu("Ask about this", said, locale="ja")
        status = await stand_in.slash("kura status", channel_id=DIRECT_CHANNEL_ID)
        await stand_in.until(lambda: offered.choices and menu.contents and status.contents)
    assert [one["name"] for one in offered.choices or []] == ["ab", "abab"]
    assert menu.contents == ["ja: the rule"]
    assert status.contents == ["well"]
    with pytest.raises(AssertionError):
        await stand_in.slash("unheard-of")


async def test_threads_direct_messages_and_reactions(stand_in: StandIn) -> None:
    async with plain_on(stand_in) as client:
        said = await stand_in.say("question")
        message = await place_of(client).fetch_message(said)
        thread = await message.create_thread(name="question")
        await thread.send("answer")
        assert [one.id for one in stand_in.threads()] == [thread.id] == [said]
        await stand_in.say("and then?", channel_id=thread.id)
        person = await client.fetch_user(OTHER_ASKER_ID)
        await person.send("privately")
        [answer] = stand_in.answers(thread.id)
        await stand_in.react(int(answer["id"]), "👍")
        await stand_in.unreact(int(answer["id"]), "👍")
        await stand_in.until(lambda: len(stand_in.answers(stand_in.direct_channel(OTHER_ASKER_ID))) == 1)
        await client.hears(4)
        with pytest.raises(discord.HTTPException, match="160004"):
            await message.create_thread(name="again")
        with pytest.raises(discord.HTTPException, match="50035"):
            await place_of(client).create_thread(name="x" * 101, message=discord.Object(said))
        stand_in.state.world.closed_to_messages.add(OTHER_ASKER_ID)
        with pytest.raises(discord.Forbidden, match="50007"):
            await person.send("privately")
    assert client.heard == ["question", "and then?", f"+👍{ASKER_ID}", f"-👍{ASKER_ID}"]


async def test_permissions_come_from_roles_and_overwrites(stand_in: StandIn) -> None:
    async with plain_on(stand_in) as client:
        said = await stand_in.say("question")
        message = await place_of(client).fetch_message(said)
        for permission, act, code in (
            (SEND_MESSAGES, lambda: place_of(client).send("x"), "50013"),
            (CREATE_PUBLIC_THREADS, lambda: message.create_thread(name="x"), "50013"),
            (VIEW_CHANNEL, lambda: place_of(client).send("x"), "50001"),
        ):
            await stand_in.set_overwrites(CHANNEL_ID, [Overwrite(GUILD_ID, deny=permission)])
            await refused(act, discord.Forbidden, code)
        await stand_in.say("unseen")
        await stand_in.set_overwrites(CHANNEL_ID, [])
        await stand_in.say("seen")
        assert (await client.fetch_guild(GUILD_ID)).id == GUILD_ID
        member = await place_of(client).guild.fetch_member(ASKER_ID)
        assert member.roles == [place_of(client).guild.default_role]
        await refused(lambda: place_of(client).guild.fetch_member(1), discord.NotFound, "10007")
        await refused(lambda: place_of(client).fetch_message(1), discord.NotFound, "10008")
        elsewhere = await stand_in.add_guild(500_000_000_000_000_001)
        gone = place_of(client)
        await stand_in.delete_channel(CHANNEL_ID)
        await refused(lambda: gone.send("x"), discord.NotFound, "10003")
        [guild] = [one for one in client.guilds if one.id == elsewhere.guild]
        await guild.leave()
        assert not stand_in.state.world.has_bot(elsewhere.guild)
    assert client.heard == ["question", "seen"]


async def refused(act: Callable[[], Awaitable[object]], kind: type[discord.HTTPException], code: str) -> None:
    with pytest.raises(kind, match=code):
        await act()


async def test_what_is_too_long_is_refused(stand_in: StandIn) -> None:
    async with plain_on(stand_in) as client:
        place = place_of(client)
        await refused(lambda: place.send("x" * 2_001), discord.HTTPException, "50035")
        await refused(lambda: place.send(""), discord.HTTPException, "50006")
        for label, custom_id in (("x" * 81, "a"), ("x", "a" * 101)):
            button: ui.Button[ui.View] = ui.Button(label=label, custom_id=custom_id)
            view = ui.View()
            view.add_item(button)
            with pytest.raises(discord.HTTPException, match="50035"):
                await place.send("x", view=view)
        client.tree.add_command(app_commands.Command(name="long", description="x" * 101, callback=_nothing))
        await refused(client.tree.sync, discord.HTTPException, "50035")
    assert stand_in.answers() == []


async def _nothing(interaction: discord.Interaction) -> None: ...


async def test_a_token_dies_after_fifteen_minutes_and_the_first_response_after_three_seconds(stand_in: StandIn) -> None:
    async with plain_on(stand_in) as client:
        asked = await stand_in.slash("say", {"text": "hello"})
        await stand_in.until(lambda: len(asked.messages) == 2)
        adapter = discord.webhook.async_.async_context.get()
        stand_in.pass_time(15 * 60 + 1)
        session = client.http._HTTPClient__session  # type: ignore[attr-defined]
        for edit in (adapter.edit_original_interaction_response, adapter.get_original_interaction_response):
            with pytest.raises(discord.HTTPException, match="50027"):
                await edit(client.application_id or 0, asked.token, session=session)
        stand_in.state.acknowledge_within_s = -1.0
        late = await stand_in.slash("kura status")
        await stand_in.until(lambda: stand_in.state.calls[-1].status == 404)
    assert late.contents == []


async def test_a_nonce_is_written_once_and_a_cut_connection_says_nothing(stand_in: StandIn) -> None:
    async with plain_on(stand_in) as client:
        for _ in range(2):
            await place_of(client).send("once", nonce="n1")
        assert len(stand_in.answers()) == 1
        stand_in.cut("POST", "/messages$", carried_out=True)
        with pytest.raises(aiohttp.ClientOSError, match="reset"):
            await place_of(client).send("twice")
    assert [m["content"] for m in stand_in.answers()] == ["once", "twice"]


async def test_a_busy_channel_makes_the_client_wait(stand_in: StandIn) -> None:
    stand_in.state.message_rate = (1, 0.2)
    async with plain_on(stand_in) as client:
        for text in ("a", "b"):
            await place_of(client).send(text)
    assert 429 in [call.status for call in stand_in.state.calls]
    assert [m["content"] for m in stand_in.answers()] == ["a", "b"]


@pytest.mark.parametrize("code", [4000, WITHOUT_GOODBYE])
async def test_a_dropped_gateway_is_resumed_with_what_was_missed(stand_in: StandIn, code: int) -> None:
    async with plain_on(stand_in) as client:
        await stand_in.gateway.drop(code=code)
        await stand_in.say("meanwhile")
        await stand_in.until(lambda: stand_in.gateway.resumed == 1)
        await stand_in.gateway.forget_sessions()
        await stand_in.until(lambda: stand_in.gateway.identified == 2)
        await stand_in.say("after")
        await client.hears(2)
    assert client.heard == ["meanwhile", "after"]


async def test_content_needs_its_intent_and_the_intent_its_grant(stand_in: StandIn) -> None:
    async with plain_on(stand_in, content=False) as client:
        first = await stand_in.say("not for it")
        await stand_in.mention("for it")
        await stand_in.say("yes?", reply_to=first)
        await client.hears(3)
        assert client.heard[0] == client.heard[2] == ""
        assert client.heard[1].endswith("for it")
    stand_in.state.privileged_intents = 0
    async with Plain(discord.Intents(guilds=True, message_content=True)) as client:
        with pytest.raises(discord.PrivilegedIntentsRequired):
            await client.start(stand_in.state.token)
    assert stand_in.gateway.refused_intents[-1] & MESSAGE_CONTENT
    assert not stand_in.gateway.refused_intents[-1] & GUILD_MEMBERS


async def test_text_that_may_mention_people_is_noticed(stand_in: StandIn) -> None:
    async with plain_on(stand_in) as client:
        await place_of(client).send("@everyone", allowed_mentions=discord.AllowedMentions.all())
    assert len(stand_in.state.breaches) == 1
    stand_in.state.breaches.clear()
