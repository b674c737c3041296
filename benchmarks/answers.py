"""Retrieval, answers, refusals and updates of the starter models on a question set, with plain baselines beside them.

    python -m benchmarks.answers --data DIR [--limit N] [--json FILE]
    python -m benchmarks.answers --handbook [--json FILE]

DIR as in `benchmarks/question_sets.py`. Each article becomes a Markdown file, the folder is ingested, every question is
asked through the assistant as any front end asks it. Then the answers in some paragraphs are replaced, the folder is ingested
again, and those questions are asked once more: no quote may show the former text. Last, half of the articles are deleted, and
every question is asked again: those of the deleted half must be refused, and no deleted article may be cited.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks.question_sets import Case, ask_all, holds, ingest, plain, rank, share, write_articles, write_handbook
from bot import quoting
from bot.answers import Answer
from bot.evidence import weigh
from bot.finding import PASSAGES
from bot.identity import local_principal
from bot.settings import load
from bot.wiring import Kura, open_kura
from retrieval import generations, passages, words
from retrieval.database import reading
from retrieval.terms import content_terms
from retrieval.vectors import as_vectors

ROUNDS = 3
"""Of changing one answer in each article."""
_MARK = re.compile(r"\[\d+\]")
Report = dict[str, float | int]
Misses = dict[str, list[str]]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, help="a folder with documents.json and questions.jsonl")
    parser.add_argument("--handbook", action="store_true", help="measure on examples/handbook instead")
    parser.add_argument("--limit", type=int, default=0, help="ask only so many questions, chosen evenly")
    parser.add_argument("--json", type=Path, help="write the figures, and every miss, to this file")
    arguments = parser.parse_args()
    if (arguments.data is None) == (not arguments.handbook):
        parser.error("give either --data DIR or --handbook")
    report: Report = {}
    misses: Misses = {}
    with tempfile.TemporaryDirectory(prefix="kura-benchmark-") as work:
        folder = Path(work)
        with open_kura(load(overrides={"data_dir": folder / "data"}), holder="benchmark") as kura:
            if arguments.handbook:
                measure_handbook(kura, report, misses)
            else:
                measure_set(kura, arguments.data, folder / "docs", arguments.limit, report, misses)
    for name, value in report.items():
        print(f"{name:<62} {value:.3f}" if isinstance(value, float) else f"{name:<62} {value}")
    if arguments.json:
        arguments.json.write_text(json.dumps({"report": report, "misses": misses}, ensure_ascii=False, indent=1))
    return 0


def measure_set(kura: Kura, data: Path, docs: Path, limit: int, report: Report, misses: Misses) -> None:
    """Measure on a public question set."""
    cases = write_articles(data, docs)
    if limit:
        cases = cases[:: max(1, len(cases) // limit)][:limit]
    report["questions"] = len(cases)
    started = time.perf_counter()
    ingest(kura, docs, "all")
    with reading(kura.index.engine) as connection:
        generation = generations.current(connection)
        report["passages"] = generations.counts(connection, generation)[1] if generation else 0
    report["ingest seconds"] = time.perf_counter() - started
    measure_retrieval(kura, cases, report)
    measure_answers(kura, cases, report, misses)
    measure_updates(kura, docs, cases, report)
    # Half of the articles vanish.
    files = sorted({case.file for case in cases if case.file})
    random.Random(1).shuffle(files)  # noqa: S311 - a fixed seed: the same half each time
    left_out = set(files[: len(files) // 2])
    for file in left_out:
        file.unlink()
    ingest(kura, docs, "all")
    measure_refusals(kura, [(case, case.file in left_out) for case in cases], report, misses)


def measure_handbook(kura: Kura, report: Report, misses: Misses) -> None:
    """Measure on the example handbook and its questions."""
    asked = write_handbook(kura)
    report["questions"] = len(asked)
    answerable = [case for case, must_refuse in asked if not must_refuse]
    measure_retrieval(kura, answerable, report)
    measure_answers(kura, answerable, report, misses)
    measure_refusals(kura, asked, report, misses)


# --- retrieval -------------------------------------------------------------------------------------------------------


def measure_retrieval(kura: Kura, cases: Sequence[Case], report: Report) -> None:
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


def measure_answers(kura: Kura, cases: Sequence[Case], report: Report, misses: Misses) -> None:
    """Share of answers, and of citations, that hold an accepted string; every quote is checked against the stored text."""
    answers = ask_all(kura, cases)
    held = {case.id: holds([answers[case.id].text], case) for case in cases}
    cited = {case.id: holds([c.quote for c in answers[case.id].citations], case) for case in cases}
    report["answer holds an accepted string"] = share(list(held.values()))
    report["... and a citation holds it too"] = share(list(cited.values()))
    report["one sentence alone holds one, never refused"] = share(
        [holds([best_sentence(kura, case)], case) for case in cases]
    )
    report["... baseline: the best passage's first three lines"] = share(
        [holds([baseline(kura, case)], case) for case in cases]
    )
    report["refused although the document is there"] = share([answers[case.id].refused for case in cases])
    report["citations an answer, mean"] = statistics.mean(len(answers[case.id].citations) for case in cases)
    report["characters an answer, mean"] = statistics.mean(len(answer.text) for answer in answers.values())
    report["quotes that differ from the stored text"] = wrong_quotes(kura, cases, answers)
    report["answers that say what no citation does"] = sum(
        unquoted(answer) for answer in answers.values() if not answer.refused
    )
    times = [answer.timings.total_ms for answer in answers.values()]
    report["ask ms, median"] = statistics.median(times)
    report["ask ms, p95"] = statistics.quantiles(times, n=20)[-1]
    misses["answers"] = [f"{case.id} {case.question} {answers[case.id].text}" for case in cases if not held[case.id]]


def best_sentence(kura: Kura, case: Case) -> str:
    """The answer if it were one sentence, and never refused."""
    principal = local_principal(groups=case.groups)
    spans = weigh(case.question, kura.searcher.search(case.question, principal=principal, k=PASSAGES), 1).spans
    pieces, _ = quoting.answer(spans, partial(kura.searcher.document, principal=principal))
    return "".join(pieces)


def baseline(kura: Kura, case: Case) -> str:
    """What a plain search box would show."""
    found = words_alone(kura, case)
    return "\n".join(found[0].text.splitlines()[:3])[:400] if found else ""


def wrong_quotes(kura: Kura, cases: Sequence[Case], answers: dict[str, Answer]) -> int:
    """How many quotes are not, letter for letter, what is stored at their place."""
    wrong = 0
    for case in cases:
        for citation in answers[case.id].citations:
            document = kura.searcher.document(citation.document_id, principal=local_principal(groups=case.groups))
            wrong += document.text[citation.start : citation.end] != citation.quote
    return wrong


def unquoted(answer: Answer) -> bool:
    """Whether anything of a quoting answer stands in none of its citations."""
    left = _MARK.sub("", answer.text)
    for quote in sorted((one.quote for one in answer.citations), key=len, reverse=True):
        left = left.replace(quote, "")
    return bool(plain(left))


# --- what is not so any more ------------------------------------------------------------------------------------------


def measure_updates(kura: Kura, docs: Path, cases: Sequence[Case], report: Report) -> None:
    """Replace an answer in each article, ingest, and ask for it: nothing may be quoted that the file does not say now."""
    of_file: defaultdict[Path, list[Case]] = defaultdict(list)
    for case in cases:
        if case.file:
            of_file[case.file].append(case)
    stale, told = [], []
    for number in range(ROUNDS):
        # 1. One answer in each article becomes another.
        former = {file: file.read_text(encoding="utf-8") for file in of_file}
        asked = [here[number * len(here) // ROUNDS] for here in of_file.values()]
        asked = [case for case in asked if case.file and case.answers[0] in former[case.file]]
        for case in asked:
            text = former[case.file].replace(case.answers[0], other(case.answers[0]))
            case.file.write_text(text, encoding="utf-8", newline="\n")
        ingest(kura, docs, "all")
        # 2. What is said of it now.
        answers = ask_all(kura, asked)
        now = {str(file): file.read_text(encoding="utf-8") for file in docs.iterdir()}
        for case in asked:
            answer = answers[case.id]
            stale.append(any(one.quote not in now[one.address] for one in answer.citations))
            told.append(plain(other(case.answers[0])) in plain(answer.text))
        for file, text in former.items():
            file.write_text(text, encoding="utf-8", newline="\n")
    ingest(kura, docs, "all")
    report["answers changed in their documents"] = len(stale)
    report["... quotes of the former text"] = sum(stale)
    report["... answers that hold the new text"] = share(told)


def other(answer: str) -> str:
    """Another answer of the same kind: other digits, or a name that nobody has."""
    if re.search("[0-9]", answer):
        return re.sub("[0-9]", lambda digit: str((int(digit[0]) + 3) % 10), answer)
    return "Zorvane Quill" if answer.isascii() else "ゾルヴァネ堂"


def measure_refusals(kura: Kura, asked: Sequence[tuple[Case, bool]], report: Report, misses: Misses) -> None:
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


if __name__ == "__main__":
    os.environ.pop("KURA_CONFIG", None)
    sys.exit(main())
