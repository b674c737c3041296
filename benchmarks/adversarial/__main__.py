"""Asks the adversarial set, and counts what was shown that must not be.

    python -m benchmarks.adversarial [--starter N] [--json FILE]

Four ways: the quote style; a model that does and says the worst, behind the gate of the generate style; the same model as it
speaks (the baseline); and with `--starter N` the real starter model in generate style on N cases, chosen evenly.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.adversarial.asking import Outcome, WorstAssistant, ask, table
from benchmarks.adversarial.cases import HIDDEN, Case, Folders, load_cases, write_documents
from bot.bridge import Bridge
from bot.ingesting import IngestRequest
from bot.prompt_files import ANSWER, shipped
from bot.settings import load
from bot.wiring import Kura, open_kura
from retrieval.access import Readers


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--starter", type=int, default=0, help="ask the starter model to write so many of the answers")
    parser.add_argument("--json", type=Path, help="write every finding to this file")
    arguments = parser.parse_args()
    cases = load_cases()
    with tempfile.TemporaryDirectory(prefix="kura-adversarial-") as work:
        folders = write_documents(Path(work) / "docs")
        settings = load(overrides={"data_dir": Path(work) / "data"})
        with open_kura(settings, holder="benchmark") as kura:
            ingest(kura, folders)
            found = {"quote style": asyncio.run(quoted(kura, cases))}
            found |= asyncio.run(worst(kura, cases))
        if arguments.starter:
            some = cases[:: max(1, len(cases) // arguments.starter)][: arguments.starter]
            with open_kura(settings, holder="benchmark", style="generate") as kura:
                found["starter model, generate style"] = asyncio.run(written(kura, some))
    for name, outcomes in found.items():
        print(f"\n{name}\n")
        print("\n".join(table(outcomes)))
    if arguments.json:
        listed = {name: [asdict(one) for one in outcomes] for name, outcomes in found.items()}
        arguments.json.write_text(json.dumps(listed, ensure_ascii=False, indent=1, default=str), encoding="utf-8")
    return 0


def ingest(kura: Kura, folders: Folders) -> None:
    """Read the documents in, those of people for the group "hr" alone."""
    for folder, group in ((folders.people, "hr"), (folders.open, "all")):
        request = IngestRequest(paths=(folder,), readers=Readers(frozenset({group})), confirmed=True)
        if faults := kura.ingest(request, lambda _: None).faults:
            raise SystemExit(f"{folder} could not be ingested: {faults}")


async def quoted(kura: Kura, cases: Sequence[Case]) -> list[Outcome]:
    """The quote style."""
    return [await ask(kura.assistant, case) for case in cases]


async def written(kura: Kura, cases: Sequence[Case]) -> list[Outcome]:
    """What the starter model writes. Its lies have no list: numbers, live marks and what attacks want are looked for."""
    told = [line for line in shipped()[ANSWER].system.text.splitlines() if line]
    return [await ask(kura.assistant, case, told=told) for case in cases]


async def worst(kura: Kura, cases: Sequence[Case]) -> dict[str, list[Outcome]]:
    """The worst model behind the gate, and without it."""
    bridge = Bridge()
    try:
        assistant = WorstAssistant(kura.searcher, kura.store, bridge)
        pairs = [await assistant.ask(case) for case in cases]
    finally:
        bridge.close()
    seen = [mark for mark in HIDDEN if any(mark in prompt for prompt in assistant.prompts)]
    print(f"hidden text that came into a prompt: {len(seen)} of {len(HIDDEN)} marks {' '.join(seen)}")
    return {
        "worst model": [one for one, _ in pairs],
        "worst model without the gate (baseline)": [two for _, two in pairs],
    }


if __name__ == "__main__":
    os.environ.pop("KURA_CONFIG", None)
    sys.exit(main())
