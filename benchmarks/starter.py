"""Whether answers suffer when the starter model is requantised for speed: the packaged file beside other forms of it.

    python benchmarks/starter.py --data DIR [--limit 200] [--kinds IQ4_NL,Q8_0]

DIR holds `documents.json` and `questions.jsonl` as in benchmarks/question_sets.py. Each question is put to the model with the
paragraph that answers it; an answer counts if it holds an accepted string. The paragraph is the right one on purpose: this
measures the model, not the search.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import unicodedata
from contextlib import closing
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from models.cards import ModelCard, starter_chat
from models.engine import EngineOptions, Request
from models.llamacpp import LlamaEngine
from models.llamacpp_quantize import quantize
from models.starter import starter_requantised
from models.templates import Message, render

ANSWER = 40
SYSTEM = "Answer the question from the passage, in one short sentence."


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=200)
    parser.add_argument("--kinds", default="IQ4_NL,Q4_0,Q8_0")
    arguments = parser.parse_args()
    cases = load(arguments.data, arguments.limit)
    packaged = starter_chat()
    with tempfile.TemporaryDirectory() as folder:
        base = right(packaged, cases)
        print(f"{packaged.name}: {sum(base)} of {len(cases)} right")
        forms = {"what Kura makes": starter_requantised(Path(folder) / "made")}
        for kind in filter(None, arguments.kinds.split(",")):
            path = Path(folder) / f"{kind}.gguf"
            quantize(packaged.path, path, kind)
            forms[kind] = replace(packaged, path=path, sha256="")
        for kind, card in forms.items():
            found = right(card, cases)
            lost = sum(before and not after for before, after in zip(base, found, strict=True))
            won = sum(after and not before for before, after in zip(base, found, strict=True))
            print(f"{kind}: {sum(found)} of {len(cases)} right; {lost} lost, {won} won")


def load(data: Path, limit: int) -> list[tuple[str, str, list[str]]]:
    """Paragraph, question and accepted strings of `limit` questions, chosen evenly."""
    articles = {each["title"]: each["paragraphs"] for each in json.loads((data / "documents.json").read_text())}
    lines = [json.loads(line) for line in (data / "questions.jsonl").read_text().splitlines()]
    chosen = lines[:: max(1, len(lines) // limit)][:limit]
    return [(articles[each["title"]][each["paragraph"]], each["question"], each["answers"]) for each in chosen]


def right(card: ModelCard, cases: list[tuple[str, str, list[str]]]) -> list[bool]:
    """For each case, whether the answer holds an accepted string."""
    with closing(LlamaEngine(card, EngineOptions(context_length=1024, slots=8, queue_size=10_000))) as engine:
        asked = []
        for number, (paragraph, question, _) in enumerate(cases):
            turns = [Message("system", SYSTEM), Message("user", f"Passage: {paragraph}\n\nQuestion: {question}")]
            asked.append(
                engine.generate(Request(tuple(render(card.template, turns)), f"case {number}", ANSWER, 3600.0))
            )
        said = [_plain(generation.text()) for generation in asked]
        return [any(_plain(one) in text for one in answers) for text, (_, _, answers) in zip(said, cases, strict=True)]


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


if __name__ == "__main__":
    main()
