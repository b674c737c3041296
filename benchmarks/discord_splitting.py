"""How long answers are cut into Discord's messages: 1,000 of them, beside a cutter that cuts every 1,200 characters.

    python benchmarks/discord_splitting.py               # --answers 1000 --seed 1

Answers are mixed at random from Japanese and English prose, code, tables, links and emoji, 3,000 to 20,000 characters each.
Prints how many messages break something; "rendered" is the way of a whole answer, with tables as blocks or files.
"""

from __future__ import annotations

import argparse
import random
import re
import statistics
import sys
import time
import unicodedata
from collections import Counter
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bot.answers import Answer, Timings, Usage
from bot.discord_bot.escaping import FENCE
from bot.discord_bot.rendering import render
from bot.discord_bot.splitting import LIMIT, split, units
from bot.discord_bot.words import words

ENGLISH = (
    "A night costs at most 180 EUR [1].|Ask your manager first!|The form is due on Friday, at noon; late ones wait."
)
JAPANESE = (
    "経費は月末までに申請してください。|「はい！」と答えます[2]。|上限は、東京では一泊12,000円、大阪では10,000円です。"
)
EMOJI = ["👍🏽", "👩\u200d👩\u200d👧", "🇯🇵", "e\u0301", "が\u3099", "😀" * 5]
CODE = [
    "def total(rows):\n",
    "    return sum(row.値 for row in rows)  # 合計\n",
    "for row in rows:\n",
    "    print(f'{row!r}')\n",
]
MARKS = re.compile(r"```(?:[a-z]+\n)?|\s")
LINK = re.compile(r"<https://[^>\s]+>|\[[^\[\]\n]+\]\([^()\s]+\)")


def block(rng: random.Random) -> str:
    """A paragraph, list, code block, table or row of emoji, with a blank line behind it."""
    kind = rng.choice(["en", "ja", "list", "code", "table", "link", "emoji"])
    if kind == "code":
        body = "".join(rng.choices(CODE, k=rng.choice([3, 20, 120])))
        return f"```python\n{body}```\n\n"
    if kind == "table":
        rows = [
            f"| 都市{n} | {'long ' * rng.randint(0, 4)}city | {rng.randint(1, 99_999):,} |"
            for n in range(rng.choice([3, 15, 60]))
        ]
        return "\n".join(["| 場所 | City | Limit |", "|---|---|--:|", *rows]) + "\n\n"
    if kind == "link":
        address = f"https://wiki.example/{'travel/' * rng.randint(1, 12)}page?n={rng.randint(1, 999)}"
        return "See " + rng.choice([f"<{address}>", f"[the travel policy, 出張規程]({address})"]) + " first.\n\n"
    sentences = (JAPANESE if kind == "ja" else ENGLISH).split("|")
    joint = "" if kind == "ja" else " "
    if kind == "list":
        return "\n".join(f"- {rng.choice(sentences)}" for _ in range(rng.randint(2, 30))) + "\n\n"
    if kind == "emoji":
        return "".join(rng.choices(EMOJI, k=rng.randint(1, 300))) + "\n\n"
    return joint.join(rng.choices(sentences, k=rng.randint(1, 60))) + "\n\n"


def text_of(rng: random.Random) -> str:
    """An answer of 3,000 characters or more."""
    text, wanted = "", rng.randint(3_000, 16_000)
    while len(text) < wanted:
        text += block(rng)
    return text


def naive(text: str) -> list[str]:
    """What is often done."""
    return [text[at : at + 1_200] for at in range(0, len(text), 1_200)]


def rendered(text: str) -> list[str]:
    """As the bot does it, without citations."""
    said = Answer("a", "q", text, "generate", (), (), "m", Usage(), Timings(1, 1, 1), "t")
    return render(said, words("en")).pieces


def faults(text: str, pieces: list[str], *, whole: bool) -> Counter[str]:
    """What is wrong with these messages; `whole`: they are to be the text itself."""
    found: Counter[str] = Counter()
    found["messages"] = len(pieces)
    found["over the limit"] = sum(units(piece) > LIMIT for piece in pieces)
    found["blank"] = sum(not piece.strip() for piece in pieces)
    found["open code block"] = sum(bool(re.search(r"(?<!\\)```", FENCE.sub("", piece))) for piece in pieces)
    found["sign torn apart"] = sum(map(torn, pieces, pieces[1:]))
    if whole:
        found["text not intact"] = MARKS.sub("", "".join(pieces)) != MARKS.sub("", text)
        lines = {line.strip() for piece in pieces for line in piece.splitlines()}
        found["table row cut"] = sum(row.strip() not in lines for row in text.splitlines() if row.startswith("|"))
        found["link cut"] = len(LINK.findall(text)) - sum(len(LINK.findall(piece)) for piece in pieces)
    return found


def torn(left: str, right: str) -> bool:
    """Whether a sign begins in one message and ends in the next."""
    flags = len(re.search(r"[🇦-🇿]*$", left)[0])  # type: ignore[index]  # it matches the empty string
    tone = "\U0001f3fb" <= right[0] <= "\U0001f3ff"
    joined = left.endswith("\u200d") or right[0] == "\u200d" or unicodedata.category(right[0]).startswith("M")
    return joined or tone or (flags % 2 == 1 and "🇦" <= right[0] <= "🇿")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answers", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = random.Random(options.seed)  # noqa: S311 - no secret
    texts = [text_of(rng) for _ in range(options.answers)]
    print(f"{len(texts):,} answers, {statistics.median(map(len, texts)):,.0f} characters in the median")
    ways: list[tuple[str, Callable[[str], list[str]], bool]] = [
        ("kura", split, True),
        ("rendered", rendered, False),
        ("1,200 characters", naive, True),
    ]
    for name, way, whole in ways:
        found: Counter[str] = Counter()
        times = []
        for text in texts:
            began = time.perf_counter()
            pieces = way(text)
            times.append((time.perf_counter() - began) * 1_000)
            found.update(faults(text, pieces, whole=whole))
        print(f"\n{name}: {statistics.median(times):.1f} ms an answer in the median, {max(times):.0f} at most")
        for fault, times_found in found.items():
            print(f"  {fault:16} {times_found:8,}")


if __name__ == "__main__":
    main()
