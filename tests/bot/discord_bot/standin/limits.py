"""What Discord refuses because of its size or shape: messages, components, forms, commands, threads. Knows no route."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NoReturn

from tests.bot.discord_bot.standin.payloads import Json
from tests.bot.discord_bot.standin.replying import Refusal

MESSAGE_LIMIT = 2_000
EMBED_LIMIT, EMBEDS = 6_000, 10
FILES, FILE_BYTES = 10, 10_485_760
ROW, BUTTON, SELECT, TEXT_INPUT, LABEL = 1, 2, 3, 4, 18
LINK = 5
SUPPRESS_EMBEDS, SUPPRESS_NOTIFICATIONS, EPHEMERAL = 1 << 2, 1 << 12, 1 << 6
MAY_SET = SUPPRESS_EMBEDS | SUPPRESS_NOTIFICATIONS | EPHEMERAL
LOCALES = set(
    "id da de en-GB en-US es-ES es-419 fr hr it lt hu nl no pl pt-BR ro fi sv-SE vi tr cs el bg ru uk hi th zh-CN ja"
    " zh-TW ko".split()
)
_SLASH = re.compile(r"[-_'\w]{1,32}")
CHAT, MENUS = 1, (2, 3)
SUBCOMMANDS = (1, 2)


def refuse(field: str, why: str) -> NoReturn:
    raise Refusal(400, 50035, f"Invalid Form Body: {field}: {why}")


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def _sized(field: str, text: Any, most: int, *, least: int = 1) -> None:
    if not isinstance(text, str) or not least <= units(text) <= most:
        refuse(field, f"Must be between {least} and {most} in length.")


def check_message(body: Json, *, files: int = 0, partial: bool = False) -> None:
    """A message to be written or, if `partial`, what is to be changed of one."""
    content = body.get("content") or ""
    if units(content) > MESSAGE_LIMIT:
        refuse("content", f"Must be {MESSAGE_LIMIT} or fewer in length.")
    embeds, components = body.get("embeds") or [], body.get("components") or []
    if not partial and not content.strip() and not (embeds or components or files):
        raise Refusal(400, 50006, "Cannot send an empty message")
    if partial and "content" in body and not content.strip() and not (embeds or files or body.get("attachments")):
        raise Refusal(400, 50006, "Cannot send an empty message")
    if body.get("flags", 0) & ~MAY_SET:
        refuse("flags", "Such flags cannot be set here.")
    if files > FILES:
        refuse("files", f"Must be {FILES} or fewer.")
    if (nonce := body.get("nonce")) is not None and len(str(nonce)) > 25:
        refuse("nonce", "Must be 25 or fewer in length.")
    _check_embeds(embeds)
    _check_rows(components)


def _check_embeds(embeds: list[Json]) -> None:
    if len(embeds) > EMBEDS:
        refuse("embeds", f"Must be {EMBEDS} or fewer.")
    total = 0
    for embed in embeds:
        texts = [(embed.get("title"), 256), (embed.get("description"), 4_096)]
        texts += [((embed.get("footer") or {}).get("text"), 2_048), ((embed.get("author") or {}).get("name"), 256)]
        fields = embed.get("fields") or []
        if len(fields) > 25:
            refuse("embeds", "Must have 25 or fewer fields.")
        texts += [pair for one in fields for pair in ((one["name"], 256), (one["value"], 1_024))]
        for text, most in texts:
            if text is not None:
                _sized("embeds", text, most)
                total += units(text)
    if total > EMBED_LIMIT:
        refuse("embeds", f"Must be {EMBED_LIMIT} or fewer in all.")


def _check_rows(rows: list[Json]) -> None:
    if len(rows) > 5:
        refuse("components", "Must be 5 or fewer in length.")
    seen: set[str] = set()
    for row in rows:
        parts = row.get("components") or []
        if row["type"] != ROW or not 1 <= len(parts) <= (5 if parts and parts[0]["type"] == BUTTON else 1):
            refuse("components", "Must be rows of 1 to 5 buttons, or of one menu.")
        for part in parts:
            _check_part(part)
            if (name := part.get("custom_id")) is not None:
                if name in seen:
                    refuse("components", f"Component custom id cannot be duplicated: {name}")
                seen.add(name)


def _check_part(part: Json) -> None:
    link = part["type"] == BUTTON and part.get("style") == LINK
    if link:
        _sized("url", part.get("url"), 512)
    else:
        _sized("custom_id", part.get("custom_id"), 100)
    if part["type"] == BUTTON:
        if not part.get("label") and not part.get("emoji"):
            refuse("label", "A button needs a label or an emoji.")
        _sized("label", part.get("label") or "", 80, least=0)
    elif part["type"] == SELECT:
        if not 1 <= len(part["options"]) <= 25:
            refuse("options", "Must be between 1 and 25 in length.")
        for option in part["options"]:
            _sized("options", option["label"], 100)
            _sized("options", option["value"], 100)
            _sized("options", option.get("description") or "", 100, least=0)


def check_modal(data: Json) -> None:
    _sized("title", data.get("title"), 45)
    _sized("custom_id", data.get("custom_id"), 100)
    if not 1 <= len(data["components"]) <= 5:
        refuse("components", "Must be between 1 and 5 in length.")
    for row in data["components"]:
        if row["type"] == LABEL:
            _sized("label", row["label"], 45)
            _sized("description", row.get("description") or "", 100, least=0)
    seen = set()
    for field in inputs_of(data):
        _sized("custom_id", field.get("custom_id"), 100)
        if field["type"] == TEXT_INPUT:
            _sized("label", field.get("label") or "", 45, least=0)
            _sized("placeholder", field.get("placeholder") or "", 100, least=0)
            _sized("value", field.get("value") or "", 4_000, least=0)
        if field["custom_id"] in seen:
            refuse("components", "Component custom id cannot be duplicated")
        seen.add(field["custom_id"])


def inputs_of(modal: Json) -> Iterator[Json]:
    """The fields of a form, whether they are in rows or under labels."""
    for row in modal["components"]:
        yield from row.get("components") or ([row["component"]] if "component" in row else [])


def parts_of(message: Json) -> Iterator[Json]:
    """The buttons and menus of a message."""
    for row in message["components"]:
        yield from row["components"]


def check_choices(choices: list[Json]) -> None:
    if len(choices) > 25:
        refuse("choices", "Must be 25 or fewer in length.")
    for choice in choices:
        _sized("choices", choice["name"], 100)
        for text in (choice.get("name_localizations") or {}).values():
            _sized("choices", text, 100)
        if isinstance(choice["value"], str):
            _sized("choices", choice["value"], 100)


def check_thread_name(name: Any) -> None:
    _sized("name", name, 100)
    if not name.strip():
        refuse("name", "This field is required")


def check_commands(commands: list[Json]) -> None:
    chat = [c for c in commands if c.get("type", CHAT) == CHAT]
    if len(chat) > 100 or any(sum(c.get("type", CHAT) == kind for c in commands) > 15 for kind in MENUS):
        refuse("commands", "Too many.")
    if len({(c["name"], c.get("type", CHAT)) for c in commands}) != len(commands):
        refuse("name", "Application command names must be unique")
    for command in commands:
        if command.get("type", CHAT) == CHAT:
            _check_slash(command)
        else:
            for name in _said(command, "name"):
                _sized("name", name, 32)
            if command.get("description") or command.get("options"):
                refuse("description", "Context menu commands cannot have description or options")


def _check_slash(command: Json) -> None:
    """A command, a subcommand or an option."""
    for name in _said(command, "name"):
        if not _SLASH.fullmatch(name) or name != name.lower():
            refuse("name", f"Command name is invalid: {name}")
    for text in _said(command, "description"):
        _sized("description", text, 100)
    options = command.get("options") or []
    if len(options) > 25 or len({option["name"] for option in options}) != len(options):
        refuse("options", "Must be 25 or fewer, of different names.")
    needed = [bool(option.get("required")) for option in options]
    if needed != sorted(needed, reverse=True):
        refuse("options", "Required options must be placed before non-required options")
    for option in options:
        if option.get("autocomplete") and option.get("choices"):
            refuse("options", "Autocomplete cannot be combined with choices")
        _check_slash(option)
        check_choices(option.get("choices") or [])


def _said(command: Json, field: str) -> list[str]:
    elsewhere = command.get(field + "_localizations") or {}
    if unknown := set(elsewhere) - LOCALES:
        refuse(field + "_localizations", f"No such locale: {unknown}")
    return [command.get(field) or "", *elsewhere.values()]
