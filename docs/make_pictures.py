"""Makes the pictures of docs/discord.md from messages as the bot renders them.

    python docs/make_pictures.py [CHROMIUM]

Questions are asked of the handbook in examples/; the messages, with their buttons, are set in the look of a chat and photographed
by Chromium. Needs fonts with Japanese and emoji (Debian: fonts-noto-cjk, fonts-noto-color-emoji).
"""

from __future__ import annotations

import asyncio
import html
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bot.answers import Answer, Done, Question, Refused
from bot.discord_bot.rendering import render
from bot.discord_bot.words import Words, words
from bot.identity import local_principal
from bot.ingesting import IngestRequest
from bot.settings import load
from bot.wiring import Kura, open_kura

ROOT = Path(__file__).parent.parent
PICTURES = ROOT / "docs" / "pictures"
LOST = "Who do I tell if I lose a security key?"
JAPANESE = "在宅勤務手当はいくらですか。"
CHANGED = "How many days of annual leave?"
STYLE = """
body { background: #313338; color: #dbdee1; margin: 0; padding: 18px; width: 640px;
  font: 15px/1.4 "Noto Sans", "Noto Sans CJK JP", sans-serif; }
.message { display: flex; gap: 14px; margin-bottom: 14px; }
.face { width: 40px; height: 40px; border-radius: 50%; flex: none; background: #5865f2; color: #fff; display: grid;
  place-items: center; font-weight: 700; }
.face.person { background: #3ba55d; }
.name { color: #fff; font-weight: 600; }
.app { background: #5865f2; color: #fff; font-size: 10px; border-radius: 3px; padding: 1px 4px; margin-left: 5px; }
.text { white-space: pre-wrap; }
.small { font-size: 12px; color: #949ba4; }
pre { background: #2b2d31; border: 1px solid #1e1f22; border-radius: 4px; padding: 7px; margin: 4px 0; overflow: hidden;
  font: 13px/1.3 "Noto Sans Mono", "Noto Sans Mono CJK JP", monospace; }
code { background: #1e1f22; border-radius: 3px; padding: 0 3px; font-size: 12px; }
.buttons { margin-top: 8px; display: flex; gap: 8px; }
.button { background: #4e5058; color: #fff; border-radius: 4px; padding: 5px 12px; font-size: 13px; }
"""


@dataclass(frozen=True, slots=True)
class Message:
    """What stands in the chat: who says it, what, and the labels of the buttons below."""

    who: str
    text: str
    buttons: tuple[str, ...] = ()


def main() -> int:
    chromium = sys.argv[1] if len(sys.argv) > 1 else "chromium"
    with tempfile.TemporaryDirectory() as work:
        settings = load(overrides={"data_dir": Path(work) / "data"})
        with open_kura(settings, holder="pictures") as kura:
            kura.ingest(IngestRequest(paths=(ROOT / "examples" / "handbook",)), lambda _: None)
            chats = {
                "discord-answer": conversation(kura, LOST, "en"),
                "discord-japanese": conversation(kura, JAPANESE, "ja"),
                "discord-recall": corrected(kura, CHANGED),
            }
        for name, messages in chats.items():
            page = Path(work) / f"{name}.html"
            page.write_text(page_of(messages), encoding="utf-8")
            photograph(chromium, page, PICTURES / f"{name}.png", tall=height(messages))
    return 0


def conversation(kura: Kura, question: str, locale: str) -> list[Message]:
    """A question and what the bot says to it."""
    said = words(locale)
    return [Message("Mika", question), *answered(kura, question, said)]


def corrected(kura: Kura, question: str) -> list[Message]:
    """What is said when a source of an answer has changed."""
    said = words("en")
    answer, *_ = answered(kura, question, said)
    return [Message("Kura", f"{said.recall(['Leave and benefits'])}\n\n{answer.text}", answer.buttons)]


def answered(kura: Kura, question: str, said: Words) -> list[Message]:
    answer = asyncio.run(last(kura, question))
    buttons = (f"👍 {said.up_label}", f"👎 {said.down_label}", f"📄 {said.sources_label}")
    pieces = render(answer, said).pieces
    return [Message("Kura", piece, buttons if n == len(pieces) else ()) for n, piece in enumerate(pieces, 1)]


async def last(kura: Kura, question: str) -> Answer:
    asked = Question("picture", question, local_principal())
    events = [event async for event in kura.assistant.ask(asked) if isinstance(event, (Done, Refused))]
    return events[-1].answer


def page_of(messages: list[Message]) -> str:
    """The chat as a page."""
    return f"<!doctype html><meta charset=utf-8><style>{STYLE}</style>" + "".join(map(shown, messages))


def shown(message: Message) -> str:
    """One message, its marks set as Discord sets them."""
    bot = message.who == "Kura"
    face = f'<div class="face {"" if bot else "person"}">{"蔵" if bot else message.who[0]}</div>'
    name = f"<span class=name>{message.who}</span>{'<span class=app>APP</span>' if bot else ''}"
    buttons = "".join(f"<span class=button>{html.escape(label)}</span>" for label in message.buttons)
    row = f"<div class=buttons>{buttons}</div>" if buttons else ""
    return f"<div class=message>{face}<div>{name}<div class=text>{formatted(message.text)}</div>{row}</div></div>"


def formatted(text: str) -> str:
    parts = re.split(r"```(?:\w*\n)?(.*?)```\n?", text, flags=re.DOTALL)
    return "".join(f"<pre>{html.escape(part)}</pre>" if n % 2 else lines(part) for n, part in enumerate(parts))


def lines(text: str) -> str:
    made = []
    for line in text.split("\n"):
        said = html.escape(re.sub(r"\\([^\w\s])", r"\1", line))
        said = re.sub(r"`([^`]+)`", r"<code>\1</code>", re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", said))
        said = re.sub(r"\*\((.+?)\)\*", r"<i>(\1)</i>", said)
        made.append(f"<span class=small>{said.removeprefix('-# ')}</span>" if line.startswith("-# ") else said)
    return "\n".join(made)


def height(messages: list[Message]) -> int:
    """Pixels that surely hold them; the picture is not cut."""
    rows = sum(len(piece) // 75 + 1 for message in messages for piece in message.text.split("\n"))
    return 30 + 21 * rows + 60 * len(messages)


def photograph(chromium: str, page: Path, picture: Path, *, tall: int) -> None:
    subprocess.run(  # noqa: S603 - what whoever runs this names
        [
            chromium,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            f"--window-size=676,{tall}",
            f"--screenshot={picture}",
            page.as_uri(),
        ],
        check=True,
        capture_output=True,
    )


if __name__ == "__main__":
    raise SystemExit(main())
