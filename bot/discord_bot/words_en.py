"""Kura's own words on Discord, in English; those in other languages say the same. Knows no Discord client.

Attributes are sentences, methods are sentences about something. All are ready to be sent: what was written by others (a
title, a name) is made harmless within. Labels are of buttons, titles and fields of forms, which show no Markdown.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

from bot.discord_bot.escaping import without_code as safe
from bot.discord_bot.ports import JobView, SourceView, Statistics
from bot.errors import Explained


class English:
    """Another language takes every attribute and method anew."""

    spoken = "en"
    """The language, as `retrieval.language.language` names it."""

    # --- while an answer is made ---
    thinking = "⏳ Kura is on it …"
    searching = "🔎 Searching the documents …"
    writing = "✍️ Writing the answer …"
    stop_label = "Stop"
    stopped = "⏹️ Stopped."
    stop_refused = "Only the person who asked can stop this answer."
    nothing_to_stop = "This answer is finished already."
    shutting_down = "Kura is being restarted and could not finish this answer: please ask again in a minute."
    restart_apology = "Sorry: Kura was restarted before this answer was finished. Please ask again."
    moved_on = (
        "This took longer than Discord lets an answer wait here: it comes as a message of its own in this channel."
    )
    moved_on_private = "This took longer than Discord lets an answer wait here: it comes as a direct message."
    empty_question = "What would you like to know? Write the question after the mention."

    # --- who may ask, and where ---
    not_a_member = "Kura answers only members of its Discord server."
    asker_only = "Only the person who asked can use this button."
    admins_only = "This command is for Kura's administrators on this server."

    # --- feedback ---
    up_label, down_label = "Helpful", "Not helpful"
    thanks_up = "👍 Thank you: noted as helpful."
    thanks_down = "👎 Thank you: noted, and whoever looks after Kura will see it."
    feedback_changed = "Thank you: what you said before is replaced."
    feedback_taken_back = "What you said of this answer is taken back."
    feedback_gone = "Nothing can be said of this answer any more: it is not kept."
    feedback_title = "What went wrong?"
    feedback_wrong_label = "What was wrong?"
    feedback_wrong_example = "For example: the amount is last year's"
    feedback_right_label = "What would be right?"
    feedback_right_example = "For example: 200 EUR since April"

    # --- the buttons below an answer ---
    sources_label = "Sources"
    no_sources = "This answer names no source that you may read."
    quote_changed = "The document has changed since: it does not say this any more."
    file_changed = "the file has changed since it was read"
    fuller_label = "Show me all I may read"
    answer_gone = "This answer is not kept any more: please ask again."

    # --- forgetting ---
    forget_ask = (
        "Delete your questions to Kura on Discord, the answers to them, and what you said of answers? This cannot be undone."
        " Messages that stand on Discord stay there."
    )
    forget_label, keep_label = "Delete", "Keep"
    nothing_forgotten = "Nothing was deleted."

    # --- documents ---
    nothing_found = "Nothing was found in the documents that you may read."
    no_documents = "There are no documents that you may read on Discord."

    # --- administration ---
    status_title = "**How Kura stands**"
    no_questions = "Nobody has asked anything on Discord yet."

    def in_time(self, seconds: float) -> str:
        """ "in 20 seconds"."""
        return f"in {self.duration(seconds)}"

    def duration(self, seconds: float) -> str:
        """Seconds up to a minute and a half, then minutes; at least a second, rounded up."""
        whole = max(1, math.ceil(seconds))
        return _count(whole, "second") if whole <= 90 else _count(math.ceil(whole / 60), "minute")

    def queued(self, position: int, seconds: float) -> str:
        """The place in the model's queue, 1 being the next, and how long that may take."""
        ahead = "You are next" if position <= 1 else f"{_count(position - 1, 'question')} before yours"
        return f"🕐 {ahead}: about {self.duration(seconds)} …"

    def moved_here(self, question: str) -> str:
        """Leads an answer that comes as a message of its own, since the place it was asked in can wait no longer."""
        return f"Asked: {safe(short(question))}"

    def wait(self, seconds: float) -> str:
        """To a person who asks too often."""
        return f"That is a lot of questions at once: please ask again {self.in_time(seconds)}."

    def channel_wait(self, seconds: float) -> str:
        """In a channel where too much is asked."""
        return f"Many questions are being asked in this channel: please ask again {self.in_time(seconds)}."

    def guild_not_set_up(self, guild: int) -> str:
        """In a server that nobody has allowed; names what to put where."""
        return (
            "Kura is not set up for this server yet: whoever runs Kura puts its id"
            f" `{guild}` into `guilds` under `[discord]` in `kura.toml` and restarts Kura."
        )

    def channel_not_allowed(self, channels: Sequence[int]) -> str:
        """Where Kura does not answer; names up to five of the channels where it does."""
        return f"Kura does not answer in this channel. Ask in {_either(links(channels), 'or')}."

    def missing_permission(self, permissions: Sequence[str], channel: int) -> str:
        """Names the permissions by discord.py's names for them ("send_messages")."""
        named = [f"“{self.permission(one)}”" for one in permissions]
        one = "the permission" if len(named) == 1 else "the permissions"
        return f"Kura lacks {one} {_either(named, 'and')} in <#{channel}>: whoever runs this server can give it."

    def permission(self, name: str) -> str:
        """What Discord calls a permission in its own settings."""
        return PERMISSIONS.get(name, name.replace("_", " ").title())

    def forgot(self, answers: int) -> str:
        """After forgetting; how many answers were deleted."""
        return f"{_count(answers, 'answer')} deleted." if answers else "There was nothing to delete."

    def fault(self, explained: Explained) -> str:
        """Why there is no answer."""
        return safe(explained.public)

    def page(self, page: int) -> str:
        """A page of a document."""
        return f"p. {page}"

    def table_in_file(self, name: str) -> str:
        """Stands where a table too large for a message was."""
        return f"*(table: see the file {safe(name)})*"

    def found(self, query: str, hits: int) -> str:
        """Leads the passages of a search."""
        return f"**{_count(hits, 'passage')}** for {safe(short(query))}"

    def not_a_source(self, name: str) -> str:
        """To a name that is no source that the person may read from."""
        return f"There is no source “{safe(short(name))}” that you may read: `/sources` names those there are."

    def source(self, view: SourceView) -> str:
        """A line of a list of sources; Discord shows the time in the reader's own way."""
        return f"**{safe(view.name)}** · {_count(view.documents, 'document')} · read {when(view.synced_at) or 'never'}"

    def ingest(self, job: JobView) -> str:
        """How an ingest goes: a headline, and a line for each source."""
        headline = {
            "queued": "🕐 Waiting for another ingest …",
            "running": "🔄 Reading the sources …",
            "done": "✅ The sources are up to date.",
            "failed": "❌ The ingest failed.",
            "interrupted": "⏹️ The ingest was interrupted: start it again.",
        }[job.state]
        lines = [
            f"**{safe(name)}** · {done} of {_count(total, 'document')}" + (f" · {failed} not read" if failed else "")
            for name, done, total, failed in job.sources
        ]
        return "\n".join([headline, *lines, *([safe(job.fault)] if job.fault else [])])

    def statistics(self, figures: Statistics) -> str:
        """What was asked, and what was said of the answers."""
        return "\n".join(
            [
                f"**Kura on Discord, the last {_count(figures.days, 'day')}**",
                f"{_count(figures.questions, 'question')} by {_count(figures.people, 'person', 'people')}",
                f"{figures.refused} not answered by the documents",
                f"👍 {figures.up} · 👎 {figures.down}",
            ]
        )

    def recall(self, titles: Sequence[str]) -> str:
        """Leads a corrected answer. `titles`: the changed documents that may be named; none if they may not be read now."""
        if not titles:
            return "🔁 **A source of this answer is not available any more.** Here is the answer now:"
        named = _either([f"“{safe(short(title, 80))}”" for title in titles[:5]], "and")
        sources = "The source" if len(titles) == 1 else "Sources"
        return f"🔁 **{sources} of this answer changed:** {named}. Here is the answer now:"

    def recall_direct(self, question: str, titles: Sequence[str]) -> str:
        """The same in a direct message, where the answer that it corrects cannot be replied to."""
        return f"{self.moved_here(question)}\n{self.recall(titles)}"

    def help(self, *, conversations: bool) -> str:
        """What can be done here. `conversations`: whether a thread goes on without mentions."""
        on = (
            "In that thread, you and whoever you mention there go on without mentioning me."
            if conversations
            else "In that thread, mention me with every question."
        )
        return "\n".join(
            [
                "**Kura answers from the company's documents, and names where each answer stands.**",
                "• `/ask` – ask; with `private` only you see the answer, with `source` only one source is searched",
                f"• Mention me with a question – I open a thread for it. {on}",
                "• Write me a direct message – only you see the answers",
                "• A message's menu › Apps › *Ask Kura about this*",
                "• `/search` – passages instead of an answer · `/sources` – what I read",
                "• `/forget` – delete your questions and the answers to them",
                "• 👍 👎 below an answer say whether it helped; *Sources* shows the quotes",
                "-# In a channel I use only what everybody who can read it may read.",
            ]
        )


PERMISSIONS = {
    "view_channel": "View Channels",
    "send_messages": "Send Messages",
    "send_messages_in_threads": "Send Messages in Threads and Posts",
    "create_public_threads": "Create Public Threads",
    "read_message_history": "Read Message History",
    "attach_files": "Attach Files",
    "add_reactions": "Add Reactions",
    "embed_links": "Embed Links",
}
"""Discord's own names, by discord.py's."""


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _either(names: Sequence[str], word: str) -> str:
    """ "a, b or c"."""
    return "".join(names) if len(names) < 2 else f"{', '.join(names[:-1])} {word} {names[-1]}"


def links(channels: Sequence[int]) -> list[str]:
    """Up to five channels as Discord's links, which notify nobody."""
    return [f"<#{channel}>" for channel in channels[:5]]


def short(text: str, longest: int = 150) -> str:
    """One line of at most `longest` characters."""
    line = " ".join(text.split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def when(moment: datetime | None) -> str:
    """A time that Discord shows in the reader's own way, "3 days ago"; empty for none."""
    return "" if moment is None else f"<t:{int(moment.timestamp())}:R>"
