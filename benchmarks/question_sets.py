"""The question sets that the benchmarks ask: documents written as files, questions with their answers, and who holds them.

A set is a folder with `documents.json` = [{"title", "paragraphs": [text, ...]}] and `questions.jsonl`, one {"id", "question",
"answers", "title", "paragraph"} a line; or the example handbook.
"""

from __future__ import annotations

import asyncio
import json
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.answers import Answer, Done, Question, Refused
from bot.identity import local_principal
from bot.ingesting import IngestRequest
from bot.wiring import Kura
from retrieval import passages
from retrieval.access import Readers
from retrieval.documents import Hit

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


@dataclass(frozen=True, slots=True)
class Case:
    """A question, what an answer must hold, and the file and span (None: unknown) of the paragraph that holds it."""

    id: str
    question: str
    answers: tuple[str, ...]
    file: Path | None
    span: tuple[int, int] | None
    groups: tuple[str, ...] = ()


def write_articles(data: Path, folder: Path) -> list[Case]:
    """One Markdown file an article, its title as the heading, a paragraph a block; returns the questions."""
    folder.mkdir(parents=True)
    places: dict[tuple[str, int], tuple[Path, tuple[int, int]]] = {}
    for number, article in enumerate(json.loads((data / "documents.json").read_text(encoding="utf-8"))):
        file = folder / f"{number:04d}.md"
        text = f"# {article['title']}\n"
        for index, paragraph in enumerate(article["paragraphs"]):
            text += "\n"
            places[article["title"], index] = (file, (len(text), len(text) + len(paragraph)))
            text += paragraph + "\n"
        file.write_text(text, encoding="utf-8", newline="\n")
    cases = []
    for line in (data / "questions.jsonl").read_text(encoding="utf-8").splitlines():
        one = json.loads(line)
        file, span = places[one["title"], one["paragraph"]]
        cases.append(Case(str(one["id"]), one["question"], tuple(one["answers"]), file, span))
    return cases


def write_handbook(kura: Kura) -> list[tuple[Case, bool]]:
    """Ingest the example handbook; returns its questions, and of each whether it must be refused."""
    ingest(kura, EXAMPLES / "handbook" / "people-team", "hr")
    ingest(kura, EXAMPLES / "handbook" / "company", "all")
    asked = []
    for line in (EXAMPLES / "questions.jsonl").read_text(encoding="utf-8").splitlines():
        one = json.loads(line)
        file = EXAMPLES / "handbook" / one["document"] if one["document"] else None
        case = Case(one["id"], one["question"], tuple(one["answers"]), file, None, tuple(one["groups"]))
        asked.append((case, bool(one["refuse"])))
    return asked


def ingest(kura: Kura, folder: Path, group: str) -> None:
    request = IngestRequest(paths=(folder,), readers=Readers(frozenset({group})), confirmed=True)
    report = kura.ingest(request, lambda _: None)
    if report.faults:
        raise SystemExit(f"{folder} could not be ingested: {report['faults']}")


def rank(hits: Sequence[Hit | passages.StoredChunk], case: Case) -> int | None:
    """The place (from 0) of the first passage that holds at least half of the gold paragraph, or is of the gold document."""
    for place, hit in enumerate(hits):
        if hit.address != str(case.file):
            continue
        if case.span is None:
            return place
        start, end = case.span
        if min(hit.end, end) - max(hit.start, start) >= (end - start) / 2:
            return place
    return None


def ask_all(kura: Kura, cases: Sequence[Case]) -> dict[str, Answer]:
    async def run() -> dict[str, Answer]:
        answers: dict[str, Answer] = {}
        for case in cases:
            async for event in kura.assistant.ask(
                Question(case.id, case.question, local_principal(groups=case.groups))
            ):
                if isinstance(event, Done | Refused):
                    answers[case.id] = event.answer
        return answers

    return asyncio.run(run())


def holds(texts: Sequence[str], case: Case) -> bool:
    said = [plain(text) for text in texts]
    return any(plain(answer) in text for answer in case.answers for text in said)


def plain(text: str) -> str:
    """NFKC, lower case, letters and digits only."""
    return "".join(c for c in unicodedata.normalize("NFKC", text).casefold() if c.isalnum())


def share(values: Sequence[bool]) -> float:
    return sum(values) / len(values) if values else 0.0
