"""Retrieval, answers and refusals of the starter models on a question set, and the same of two plain baselines.

    python -m benchmarks.answers --data DIR [--limit N] [--json FILE]
    python -m benchmarks.answers --handbook [--json FILE]

DIR holds `documents.json` = [{"title", "paragraphs": [text, ...]}] and `questions.jsonl`, one {"id", "question", "answers",
"title", "paragraph"} a line. Each article becomes a Markdown file, the folder is ingested, every question is asked through
the assistant as any front end asks it. Then half of the articles are deleted, the folder is ingested again, and every
question is asked once more: those of the deleted half must be refused, and no deleted article may be cited.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import sys
import tempfile
import time
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.answers import Answer, Done, Question, Refused
from bot.evidence import weigh
from bot.finding import PASSAGES
from bot.identity import local_principal
from bot.ingesting import IngestRequest
from bot.settings import load
from bot.wiring import Kura, open_kura
from retrieval import generations, passages, words
from retrieval.access import Readers
from retrieval.database import reading
from retrieval.documents import Hit
from retrieval.terms import content_terms
from retrieval.vectors import as_vectors

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


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, help="a folder with documents.json and questions.jsonl")
    parser.add_argument("--handbook", action="store_true", help="measure on examples/handbook instead")
    parser.add_argument("--limit", type=int, default=0, help="ask only so many questions, chosen evenly")
    parser.add_argument("--json", type=Path, help="write the figures, and every miss, to this file")
    arguments = parser.parse_args()
    if (arguments.data is None) == (not arguments.handbook):
        parser.error("give either --data DIR or --handbook")
    with tempfile.TemporaryDirectory(prefix="kura-benchmark-") as work:
        folder = Path(work)
        if arguments.handbook:
            report, misses = measure_handbook(folder)
        else:
            report, misses = measure_set(arguments.data, folder, arguments.limit)
    for name, value in report.items():
        print(f"{name:<58} {value:.3f}" if isinstance(value, float) else f"{name:<58} {value}")
    if arguments.json:
        arguments.json.write_text(json.dumps({"report": report, "misses": misses}, ensure_ascii=False, indent=1))
    return 0


def measure_set(data: Path, work: Path, limit: int) -> tuple[dict[str, float | int], dict[str, list[str]]]:
    """Measure on a public question set."""
    docs = work / "docs"
    cases = write_articles(data, docs)
    if limit:
        cases = cases[:: max(1, len(cases) // limit)][:limit]
    report: dict[str, float | int] = {"questions": len(cases)}
    misses: dict[str, list[str]] = {}
    with open_kura(load(overrides={"data_dir": work / "data"}), holder="benchmark") as kura:
        started = time.perf_counter()
        ingest(kura, docs, "all")
        with reading(kura.index.engine) as connection:
            generation = generations.current(connection)
            chunks = generations.counts(connection, generation)[1] if generation else 0
        report |= {"passages": chunks, "ingest seconds": time.perf_counter() - started}
        measure_retrieval(kura, cases, report)
        measure_answers(kura, cases, report, misses)
        # Half of the articles vanish.
        files = sorted({case.file for case in cases if case.file})
        random.Random(1).shuffle(files)  # noqa: S311 - a fixed seed: the same half each time
        left_out = set(files[: len(files) // 2])
        for file in left_out:
            file.unlink()
        ingest(kura, docs, "all")
        measure_refusals(kura, [(case, case.file in left_out) for case in cases], report, misses)
    return report, misses


def measure_handbook(work: Path) -> tuple[dict[str, float | int], dict[str, list[str]]]:
    """Measure on the example handbook and its questions."""
    cases: list[Case] = []
    must_refuse: dict[str, bool] = {}
    for line in (EXAMPLES / "questions.jsonl").read_text(encoding="utf-8").splitlines():
        one = json.loads(line)
        file = EXAMPLES / "handbook" / one["document"] if one["document"] else None
        cases.append(Case(one["id"], one["question"], tuple(one["answers"]), file, None, tuple(one["groups"])))
        must_refuse[one["id"]] = one["refuse"]
    report: dict[str, float | int] = {"questions": len(cases)}
    misses: dict[str, list[str]] = {}
    with open_kura(load(overrides={"data_dir": work / "data"}), holder="benchmark") as kura:
        ingest(kura, EXAMPLES / "handbook" / "people-team", "hr")
        ingest(kura, EXAMPLES / "handbook" / "company", "all")
        answerable = [case for case in cases if not must_refuse[case.id]]
        measure_retrieval(kura, answerable, report)
        measure_answers(kura, answerable, report, misses)
        measure_refusals(kura, [(case, must_refuse[case.id]) for case in cases], report, misses)
    return report, misses


def ingest(kura: Kura, folder: Path, group: str) -> None:
    request = IngestRequest(paths=(folder,), readers=Readers(frozenset({group})), confirmed=True)
    report = kura.ingest(request, lambda _: None)
    if report.faults:
        raise SystemExit(f"{folder} could not be ingested: {report['faults']}")


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


# --- retrieval -------------------------------------------------------------------------------------------------------


def measure_retrieval(kura: Kura, cases: Sequence[Case], report: dict[str, float | int]) -> None:
    """hit@1 and hit@5 of the gold paragraph (or document): ours, FTS5's own order, and vectors alone."""
    ranks: dict[str, list[int | None]] = {"kura": [], "baseline: FTS5 bm25 alone": [], "baseline: vectors alone": []}
    times = []
    for case in cases:
        started = time.perf_counter()
        found = kura.searcher.search(case.question, principal=local_principal(groups=case.groups), k=10).hits
        times.append((time.perf_counter() - started) * 1000)
        ranks["kura"].append(rank(found, case))
        ranks["baseline: FTS5 bm25 alone"].append(rank(words_alone(kura, case), case))
        ranks["baseline: vectors alone"].append(rank(vectors_alone(kura, case), case))
    for name, found_at in ranks.items():
        report[f"hit@1, {name}"] = share([at == 0 for at in found_at])
        report[f"hit@5, {name}"] = share([at is not None and at < 5 for at in found_at])
    report["search ms, median"] = statistics.median(times)
    report["search ms, p95"] = statistics.quantiles(times, n=20)[-1]


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


def words_alone(kura: Kura, case: Case) -> list[passages.StoredChunk]:
    with reading(kura.index.engine) as connection:
        generation = kura.index.answering(connection)
        sets = passages.readable(connection, principal=local_principal(groups=case.groups))
        tables = [table for table in words.tables(connection, generation.id) if table.readers in sets]
        query = content_terms(case.question)
        rows = [row for table in tables for row in words.candidates(connection, table, query, 5)]
        ids = [row.chunk for row in rows]
        found = passages.chunks(connection, generation=generation.id, readable=sets, ids=ids)
        chunks = {chunk.id: chunk for chunk in found}
    return [chunks[row.chunk] for row in rows]


def vectors_alone(kura: Kura, case: Case) -> list[passages.StoredChunk]:
    vector = as_vectors([kura.index.embedder.embed_query(case.question)])
    with reading(kura.index.engine) as connection:
        generation = kura.index.answering(connection)
        sets = passages.readable(connection, principal=local_principal(groups=case.groups))
        found = [hit for set_ in sets for hit in kura.index.vectors.query(generation.collection(set_), vector, 5)]
        keys = [key for key, _ in sorted(found, key=lambda hit: -hit[1])]
        stored = passages.chunks(connection, generation=generation.id, readable=sets, keys=keys)
        chunks = {chunk.key: chunk for chunk in stored}
    return [chunks[key] for key in keys if key in chunks]


# --- answers and refusals --------------------------------------------------------------------------------------------


def measure_answers(
    kura: Kura, cases: Sequence[Case], report: dict[str, float | int], misses: dict[str, list[str]]
) -> None:
    """Share of answers, and of citations, that hold an accepted string; every quote is checked against the stored text."""
    answers = ask_all(kura, cases)
    held = {case.id: holds([answers[case.id].text], case) for case in cases}
    cited = {case.id: holds([c.quote for c in answers[case.id].citations], case) for case in cases}
    report["answer holds an accepted string"] = share(list(held.values()))
    report["the likeliest sentence alone holds one"] = share(
        [holds([best_sentence(kura, case)], case) for case in cases]
    )
    report["... and its citation holds it too"] = share(list(cited.values()))
    report["... baseline: the best passage's first three lines"] = share(
        [holds([baseline(kura, case)], case) for case in cases]
    )
    report["refused although the document is there"] = share([answers[case.id].refused for case in cases])
    report["citations an answer, mean"] = statistics.mean(len(answers[case.id].citations) for case in cases)
    report["quotes that differ from the stored text"] = wrong_quotes(kura, cases, answers)
    times = [answer.timings.total_ms for answer in answers.values()]
    report["ask ms, median"] = statistics.median(times)
    report["ask ms, p95"] = statistics.quantiles(times, n=20)[-1]
    misses["answers"] = [f"{case.id} {case.question} {answers[case.id].text}" for case in cases if not held[case.id]]


def measure_refusals(
    kura: Kura, asked: Sequence[tuple[Case, bool]], report: dict[str, float | int], misses: dict[str, list[str]]
) -> None:
    """Refusal accuracy where some questions must be refused, and citations of documents that are not there any more."""
    answers = ask_all(kura, [case for case, _ in asked])
    right = {case.id: answers[case.id].refused == must for case, must in asked}
    report["refusal accuracy"] = share(list(right.values()))
    report["... refused of those that must be"] = share([right[case.id] for case, must in asked if must])
    report["... answered of those that can be"] = share([right[case.id] for case, must in asked if not must])
    gone = {str(case.file) for case, _ in asked if case.file and not case.file.exists()}
    report["citations of deleted documents"] = sum(c.address in gone for a in answers.values() for c in a.citations)
    misses["refusals"] = [
        f"{case.id} {case.question} {answers[case.id].text}" for case, _ in asked if not right[case.id]
    ]


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


def best_sentence(kura: Kura, case: Case) -> str:
    """The answer if it were one sentence, and never refused."""
    found = kura.searcher.search(case.question, principal=local_principal(groups=case.groups), k=PASSAGES)
    evidence = weigh(case.question, found, 1)
    return "\n".join(one.hit.text[one.start - one.hit.start : one.end - one.hit.start] for one in evidence.spans)


def baseline(kura: Kura, case: Case) -> str:
    """What a plain search box would show."""
    found = words_alone(kura, case)
    return "\n".join(found[0].text.splitlines()[:3])[:400] if found else ""


def wrong_quotes(kura: Kura, cases: Sequence[Case], answers: dict[str, Answer]) -> int:
    wrong = 0
    for case in cases:
        for citation in answers[case.id].citations:
            document = kura.searcher.document(citation.document_id, principal=local_principal(groups=case.groups))
            wrong += document.text[citation.start : citation.end] != citation.quote
    return wrong


def holds(texts: Sequence[str], case: Case) -> bool:
    said = [plain(text) for text in texts]
    return any(plain(answer) in text for answer in case.answers for text in said)


def plain(text: str) -> str:
    """NFKC, lower case, letters and digits only."""
    return "".join(c for c in unicodedata.normalize("NFKC", text).casefold() if c.isalnum())


def share(values: Sequence[bool]) -> float:
    return sum(values) / len(values) if values else 0.0


if __name__ == "__main__":
    os.environ.pop("KURA_CONFIG", None)
    sys.exit(main())
