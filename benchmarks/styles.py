"""The two styles of answering with the starter model, and what a plain prompt gets out of the same model.

    python -m benchmarks.styles --data DIR [--limit N]

DIR as in `benchmarks/question_sets.py`. Quote style copies sentences, generate style lets the model write and keeps what the
passages say. The plain prompt shows the model the same passages and takes whatever it writes; it is asked for every question
too after half of the articles were left out. Each question costs the model seconds: mind N.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.question_sets import Case, ask_all, holds, ingest, share, write_articles
from bot import prompting
from bot.answers import Answer
from bot.finding import PASSAGES
from bot.identity import local_principal
from bot.prompting import NOT_THERE, SystemPrompt
from bot.settings import load
from bot.wiring import Kura, open_kura

PLAIN = SystemPrompt(
    "plain", f"Answer the question from the passages. If they do not hold the answer, say: {NOT_THERE}"
)
STYLES = ("quote", "generate")


@dataclass(frozen=True, slots=True)
class Said:
    """What one way of answering said to one question; `quotes` is what it cites, `seconds` until it was whole."""

    text: str
    quotes: tuple[str, ...]
    refused: bool
    style: str
    seconds: float


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="a folder with documents.json and questions.jsonl")
    parser.add_argument("--limit", type=int, default=100, help="questions, chosen evenly")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kura-benchmark-") as work:
        docs, data = Path(work) / "docs", Path(work) / "data"
        cases = write_articles(arguments.data, docs)
        cases = cases[:: max(1, len(cases) // arguments.limit)][: arguments.limit]
        print(f"{len(cases)} questions")
        whole = {way: said for style in STYLES for way, said in asked(data, docs, style, cases).items()}
        files = sorted({case.file for case in cases if case.file})
        random.Random(1).shuffle(files)  # noqa: S311 - a fixed seed: the same half each time
        gone = {*files[: len(files) // 2]}
        for file in gone:
            file.unlink()
        half = {way: said for style in STYLES for way, said in asked(data, docs, style, cases).items()}
    for way, said in whole.items():
        report(way, cases, said, half[way], gone)
    return 0


def asked(data: Path, docs: Path, style: str, cases: Sequence[Case]) -> dict[str, dict[str, Said]]:
    """Ways of answering, each with what it said to each case (by id); the plain prompt goes with the generate style."""
    with open_kura(load(overrides={"data_dir": data}), holder="benchmark", style=style) as kura:
        ingest(kura, docs, "all")
        made = {style: {id_: as_said(answer) for id_, answer in ask_all(kura, cases).items()}}
        if style == "generate":
            made["plain prompt"] = asyncio.run(plainly(kura, cases))
    return made


def as_said(answer: Answer) -> Said:
    quotes = tuple(one.quote for one in answer.citations)
    return Said(answer.text, quotes, answer.refused, answer.style, answer.timings.total_ms / 1000)


async def plainly(kura: Kura, cases: Sequence[Case]) -> dict[str, Said]:
    """The model, the passages, and nothing that checks what it says."""
    chat = kura.model.chat()
    made = {}
    for case in cases:
        started = time.perf_counter()
        hits = kura.searcher.search(case.question, principal=local_principal(groups=case.groups), k=PASSAGES).hits
        prompt = prompting.build(
            case.question,
            (),
            hits,
            system=PLAIN,
            context_length=kura.model.context_length,
            count_tokens=kura.model.count_tokens,
            budget=kura.model.budget(),
        )
        text = str((await chat.ainvoke(list(prompt.messages), max_tokens=prompt.max_tokens, temperature=0.0)).text)
        made[case.id] = Said(text, (), NOT_THERE.casefold() in text.casefold(), "plain", time.perf_counter() - started)
    return made


def report(way: str, cases: Sequence[Case], said: dict[str, Said], half: dict[str, Said], gone: set[Path]) -> None:
    """One way of answering, in lines."""
    figures = {
        "holds an accepted string": share([holds([said[case.id].text], case) for case in cases]),
        "... and a citation holds it": share([holds(said[case.id].quotes, case) for case in cases]),
        "refused": share([said[case.id].refused for case in cases]),
        "half left out: refused right": share([half[case.id].refused == (case.file in gone) for case in cases]),
        "... answered though left out": share([not half[case.id].refused for case in cases if case.file in gone]),
        "seconds, median": statistics.median(one.seconds for one in said.values()),
    }
    if way == "generate":
        figures["told by the quotes instead"] = share([one.style == "quote" for one in said.values()])
    for name, value in figures.items():
        print(f"{way:<14}{name:<34}{value:.3f}")


if __name__ == "__main__":
    os.environ.pop("KURA_CONFIG", None)
    sys.exit(main())
