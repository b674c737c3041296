"""A Slack export: each day of a public channel as one Markdown text. Knows the export's JSON, and no source.

Private channels and direct messages are never opened: nobody who may read this source could be told from those who
may read them. Times are UTC; the day is the one Slack filed the messages under. An answer in a thread stands below its
question where both are of one day; otherwise it says which day the thread began.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from ingest.dates import day_in
from ingest.errors import DocumentError, EmptyDocument
from ingest.sources.safezip import SafeZip
from ingest.wording import counted

MAX_JSON_BYTES = 32 * 2**20
"""Parsed JSON takes some ten times its size in memory; a day of a busy channel has a few MiB."""

_DAY = re.compile(r"(?P<channel>[^/]+)/(?P<day>\d{4}-\d\d-\d\d)\.json")
_BY_PEOPLE = (None, "thread_broadcast", "me_message", "file_share")
"""Subtypes of messages that people wrote. All others tell of joins, renames, bots and deletions."""
_PRIVATE = {"groups.json": "private channel", "dms.json": "direct conversation", "mpims.json": "group conversation"}
_REFERENCE = re.compile(r"<([^<>\n]{1,3000})>")


class SlackExport:
    """The public channels of an export. Raises DocumentError if its lists of channels or people cannot be read."""

    def __init__(self, archive: SafeZip, folder: str) -> None:
        self._archive = archive
        self._folder = folder
        channels = self._records("channels.json")
        listed = {_text(one, "name") for one in channels if not one.get("is_private")} - {""}
        self._closed = {_text(one, "name") for one in channels} - listed
        notes = {}
        for file, what in _PRIVATE.items():
            if folder + file in archive.members:
                closed = self._records(file)
                self._closed |= {_text(one, key) for one in closed for key in ("id", "name")}
                notes[folder + file] = f"{counted(len(closed), what)}, never ingested"
        self._public = listed - self._closed
        self._channels = {_text(one, "id"): name for one in channels if (name := _text(one, "name")) in self._public}
        self._people = {_text(one, "id"): _name(one) for one in self._records("users.json")}
        days = [path for path in archive.members if self._day(path) is not None]
        strange = {self._day(path)["channel"] for path in days} - self._public - self._closed  # type: ignore[index]
        notes |= {folder + name: "in no list of channels" for name in sorted(strange)}
        self.notes: Mapping[str, str] = notes

    def name(self, path: str) -> str:
        """A day's name as Markdown; "" for everything else."""
        day = self._day(path)
        return path.removesuffix("json") + "md" if day is not None and day["channel"] in self._public else ""

    def read(self, path: str, most: int) -> bytes:
        """A day as Markdown. Raises DocumentError for JSON that is none, EmptyDocument if nobody wrote anything."""
        day = self._day(path)
        if day is None or day["channel"] not in self._public:
            raise DocumentError(f"{path} is no day of a public channel: it is not read.")
        messages = [one for one in self._records(path.removeprefix(self._folder)) if self._by_person(one)]
        if not messages:
            raise EmptyDocument(f"{path}: nobody wrote anything on that day.")
        return f"# #{day['channel']} {day['day']}\n\n{self._threads(messages)}\n".encode("utf-8", "replace")

    def dated(self, path: str) -> date | None:
        """The day that a member is of."""
        day = self._day(path)
        return day_in(day["day"]) if day is not None else None

    def _day(self, path: str) -> re.Match[str] | None:
        return _DAY.fullmatch(path, len(self._folder)) if path.startswith(self._folder) else None

    def _records(self, name: str) -> list[dict[str, Any]]:
        path = self._folder + name
        try:
            data = json.loads(self._archive.read(path, MAX_JSON_BYTES))
        except (ValueError, RecursionError) as error:
            raise DocumentError(f"{path} is not the JSON that Slack exports: export it anew.") from error
        if not isinstance(data, list):
            raise DocumentError(f"{path} is not the list that Slack exports: export it anew.")
        return [one for one in data if isinstance(one, dict)]

    def _by_person(self, message: Mapping[str, Any]) -> bool:
        return (
            message.get("type") == "message"
            and message.get("subtype") in _BY_PEOPLE
            and not (message.get("bot_id") or message.get("hidden"))
            and bool(self._plain(message).strip())
        )

    def _threads(self, messages: list[dict[str, Any]]) -> str:
        messages.sort(key=_seconds)
        heads = {_text(one, "ts") for one in messages}
        threads: dict[str, list[str]] = {}
        for one in messages:
            own, thread = _text(one, "ts"), _text(one, "thread_ts")
            is_reply = thread not in ("", own)
            here = is_reply and thread in heads
            began = f" (in a thread of {_when(thread, '%Y-%m-%d')})" if is_reply and not here else ""
            indent = "  " if here else ""
            lines = [line.rstrip() for line in self._plain(one).splitlines() if line.strip()]
            # as an item of a list, no text can end it: a heading or an open fence in it stays within
            said = f"\n{indent}  ".join(lines)
            line = f"{indent}- **{self._author(one)}** {_when(own, '%H:%M')}{began}: {said}"
            threads.setdefault(thread if is_reply else own, []).append(line)
        return "\n\n".join("\n".join(lines) for lines in threads.values())

    def _author(self, message: Mapping[str, Any]) -> str:
        user = _text(message, "user")
        profile = message.get("user_profile")
        named = self._people.get(user) or (_name({"profile": profile}) if isinstance(profile, dict) else "")
        return named or user or "Somebody"

    def _plain(self, message: Mapping[str, Any]) -> str:
        return html.unescape(_REFERENCE.sub(self._resolve, _text(message, "text")))

    def _resolve(self, reference: re.Match[str]) -> str:
        """What `<...>` stands for: a person, a channel, a group, a date or a link."""
        target, _, label = reference[1].partition("|")
        if target.startswith("@"):
            return "@" + (self._people.get(target[1:]) or label or target[1:])
        if target.startswith("#"):
            return "#" + (self._channels.get(target[1:]) or "another-channel")
        if target.startswith("!"):
            return label or "@" + target[1:].split("^")[0]
        address = target.removeprefix("mailto:")
        return address if label in ("", address) else f"{label} ({address})"


def _text(record: Mapping[str, Any], key: str) -> str:
    value = record.get(key)
    return value if isinstance(value, str) else ""


def _name(person: Mapping[str, Any]) -> str:
    """What colleagues call somebody, on one line."""
    profile = person.get("profile")
    known = profile if isinstance(profile, dict) else {}
    found = _text(known, "display_name") or _text(known, "real_name") or _text(person, "real_name")
    return " ".join((found or _text(person, "name")).split())


def _seconds(message: Mapping[str, Any]) -> float:
    try:
        return float(_text(message, "ts"))
    except ValueError:
        return 0.0


def _when(ts: str, form: str) -> str:
    try:
        return datetime.fromtimestamp(float(ts), UTC).strftime(form)
    except (ValueError, OverflowError, OSError):
        return "?"
