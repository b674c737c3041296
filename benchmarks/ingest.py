"""Ingestion: unchanged files, a first ingest against LangChain's recipe, memory, search beside an ingest, a changed file.

    python -m benchmarks.ingest [--files N] [--chunks N ...] [--parts unchanged,first,search,change]

From the repository's root. The recipe needs `pip install langchain-chroma langchain-text-splitters`; without them it is left
out. Every figure has what it is compared with in the same run. Corpora are generated: made-up words as frequent as those of a
language, a heading for each passage. Memory is of a process with its children.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SECTIONS = 8
"""Passages of a file."""
WORDS = (130, 190)
"""Of a passage: some 900 characters, one passage for both splitters."""
SETTLED_S = 2.5
"""Until a file is old enough for its times to be trusted."""
QUERIES = 400


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--files", type=int, default=20_000, help="unchanged files")
    parser.add_argument("--chunks", type=int, nargs="+", default=[10_000, 20_000, 40_000], help="of a first ingest")
    parser.add_argument("--recipe", type=int, default=20_000, help="chunks of LangChain's recipe; 0 leaves it out")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1, help="processes that parse")
    parser.add_argument("--parts", default="unchanged,first,search,change")
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(CHILDREN[arguments.child[0]](*arguments.child[1:])))
        return
    for part in arguments.parts.split(","):
        folder = Path(tempfile.mkdtemp(prefix="kura-"))
        try:
            PARTS[part](folder, arguments)
        finally:
            shutil.rmtree(folder)


# --- the parts --------------------------------------------------------------------------------------------------------


def unchanged(folder: Path, arguments: argparse.Namespace) -> None:
    """Ingest files again that have not changed, in a new process, against sha256sum over them."""
    corpus(folder / "docs", arguments.files, sections=1, words=(40, 80))
    time.sleep(SETTLED_S)
    first, _ = child("ingest", folder / "data", folder / "docs", str(arguments.workers))
    ratios = []
    for _ in range(max(3, arguments.rounds)):
        started = time.perf_counter()
        found = subprocess.Popen(["find", str(folder / "docs"), "-type", "f", "-print0"], stdout=subprocess.PIPE)
        subprocess.run(["xargs", "-0", "sha256sum"], stdin=found.stdout, stdout=subprocess.DEVNULL, check=True)
        found.wait()
        sums = time.perf_counter() - started
        started = time.perf_counter()
        again, _ = child("again", folder / "data", folder / "docs")
        whole = time.perf_counter() - started
        ratios.append((again["seconds"] / sums, whole / sums, again["seconds"], whole, sums, again["loaded"]))
    inside, outside, seconds, whole, sums, loaded = sorted(ratios)[len(ratios) // 2]
    print(f"{arguments.files} unchanged files (first ingest {first['seconds']:.1f} s): {seconds:.2f} s,", end=" ")
    print(
        f"process start to exit {whole:.2f} s; sha256sum {sums:.2f} s: ratio {inside:.2f}, {outside:.2f} with the start"
    )
    print(f"  loaded: {loaded or 'no model, no vector index'}")


def first(folder: Path, arguments: argparse.Namespace) -> None:
    """First ingests of growing corpora, each in a new process, and LangChain's recipe over one of them."""
    for chunks in arguments.chunks:
        docs = folder / f"docs{chunks}"
        corpus(docs, chunks // SECTIONS)
        rates = {"kura": [], "recipe": []}
        for round_ in range(arguments.rounds):
            made, peak = child("ingest", folder / f"data{chunks}-{round_}", docs, str(arguments.workers))
            rates["kura"].append(made["chunks"] / made["seconds"])
            stages = ", ".join(f"{name} {seconds:.1f}" for name, seconds in made["stages"].items())
            print(f"first ingest of {made['chunks']} chunks: {made['seconds']:.1f} s,", end=" ")
            print(f"{rates['kura'][-1]:.0f} chunks/s, peak {peak / 2**20:.0f} MiB; {stages}")
            if chunks == arguments.recipe and importlib.util.find_spec("langchain_chroma"):
                plain, peak = child("recipe", folder / f"plain{round_}", docs)
                rates["recipe"].append(plain["chunks"] / plain["seconds"])
                print(f"LangChain's recipe, {plain['chunks']} chunks: {plain['seconds']:.1f} s,", end=" ")
                print(f"{rates['recipe'][-1]:.0f} chunks/s, peak {peak / 2**20:.0f} MiB")
            shutil.rmtree(folder / f"data{chunks}-{round_}")
        if rates["recipe"]:
            ours, theirs = statistics.median(rates["kura"]), statistics.median(rates["recipe"])
            print(f"chunks a second, Kura / recipe: {ours / theirs:.2f}")


def search(folder: Path, arguments: argparse.Namespace) -> None:
    """Search while another thread ingests, against the same with nothing else going on."""
    from retrieval.access import EVERYBODY, Principal
    from retrieval.search import Searcher

    corpus(folder / "docs", 5_000 // SECTIONS)
    corpus(folder / "more", 10_000 // SECTIONS, seed=2)
    somebody = Principal("somebody", frozenset({EVERYBODY}))
    with ingesting(folder / "data", arguments.workers) as (folders, index):
        folders.ingest(folder / "docs")
        searcher = Searcher(index)
        chance = random.Random(3)  # noqa: S311 - figures, no secrets

        def times(until: threading.Thread | None) -> list[float]:
            taken: list[float] = []
            while len(taken) < QUERIES and (until is None or until.is_alive()):
                query = " ".join(chance.choices(vocabulary(), k=4))
                started = time.perf_counter()
                searcher.search(query, principal=somebody, k=8)
                taken.append(time.perf_counter() - started)
                time.sleep(0.02)
            return taken

        times(None)
        idle = times(None)
        thread = threading.Thread(target=lambda: folders.ingest(folder / "more"))
        thread.start()
        beside = times(thread)
        thread.join()
        after = times(None)
    print(
        f"search, p50 / p95: idle {spread(idle)}; beside an ingest {spread(beside)} ({len(beside)} queries);", end=" "
    )
    print(
        f"afterwards {spread(after)}; p95 beside / idle {p95(beside) / p95(idle):.2f},"
        f" beside / afterwards {p95(beside) / p95(after):.2f}"
    )


def change(folder: Path, arguments: argparse.Namespace) -> None:
    """From saving one file among many to the answer that has it, through `Folders.ingest`, called right after the save."""
    from retrieval.access import EVERYBODY, Principal
    from retrieval.search import Searcher

    corpus(folder / "docs", 2_500)
    somebody = Principal("somebody", frozenset({EVERYBODY}))
    taken = []
    with ingesting(folder / "data", arguments.workers) as (folders, index):
        time.sleep(SETTLED_S)
        folders.ingest(folder / "docs")
        searcher = Searcher(index)
        for number in range(9):
            started = time.perf_counter()
            (folder / "docs" / "00" / "00007.md").write_text(f"# Notice\n\nThe word of the day is zyx{number}quux.\n")
            folders.ingest(folder / "docs")
            hit = searcher.search(f"zyx{number}quux", principal=somebody, k=1).hits[0]
            taken.append(time.perf_counter() - started)
            if f"zyx{number}quux" not in hit.text:
                raise SystemExit("the change was not found")
    print(
        f"one of 2,500 files (20,000 chunks) changed: {statistics.median(taken):.2f} s to the answer, at most {max(taken):.2f}"
    )


PARTS = {"unchanged": unchanged, "first": first, "search": search, "change": change}


# --- in processes of their own ----------------------------------------------------------------------------------------


@contextmanager
def ingesting(data: Path, workers: int) -> Iterator:
    from ingest.feeds import recipe
    from ingest.folders import Folders
    from ingest.parsing import ChildParser
    from ingest.sync import Ingestor
    from models.embedders import StarterEmbedder
    from retrieval.index import Index

    data.mkdir(exist_ok=True)
    parser = ChildParser(workers=workers)
    index = Index(data, StarterEmbedder(), recipe=recipe())
    yield Folders(Ingestor(index, parser)), index
    parser.close()
    index.close()


def ingest_once(data: str, docs: str, workers: str = "1") -> dict:
    started = time.perf_counter()
    with ingesting(Path(data), int(workers)) as (folders, _):
        (report,) = folders.ingest(Path(docs))
    stages = {name: getattr(report.stages, name) for name in report.stages.__slots__}
    return {"chunks": report.chunks, "seconds": time.perf_counter() - started, "stages": stages}


def ingest_again(data: str, docs: str) -> dict:
    made = ingest_once(data, docs)
    return made | {"loaded": [name for name in ("wordllama", "chromadb", "llama_cpp") if name in sys.modules]}


def plain_recipe(data: str, docs: str) -> dict:
    from langchain_chroma import Chroma
    from langchain_core.documents import Document
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    from models.langchain_embeddings import WordLlamaEmbeddings

    started = time.perf_counter()
    loaded = [Document(path.read_text(), metadata={"source": str(path)}) for path in sorted(Path(docs).rglob("*.md"))]
    pieces = RecursiveCharacterTextSplitter(chunk_size=1500, chunk_overlap=0).split_documents(loaded)
    Chroma.from_documents(pieces, WordLlamaEmbeddings(), persist_directory=data)
    return {"chunks": len(pieces), "seconds": time.perf_counter() - started}


CHILDREN = {"ingest": ingest_once, "again": ingest_again, "recipe": plain_recipe}


def child(*job: object) -> tuple[dict, int]:
    """What a job in a new process says, and the most memory that it and its children had together, in bytes."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.ingest", "--child", *map(str, job)], stdout=subprocess.PIPE, text=True
    )
    peak = 0
    while process.poll() is None:
        peak = max(peak, sum(resident(pid) for pid in family(process.pid)))
        time.sleep(0.1)
    said = process.stdout.read() if process.stdout else ""
    if process.returncode:
        raise SystemExit(f"{job[0]} failed")
    return json.loads(said.splitlines()[-1]), peak


def family(pid: int) -> list[int]:
    """A process and all below it."""
    try:
        below = [
            int(one) for task in Path(f"/proc/{pid}/task").iterdir() for one in (task / "children").read_text().split()
        ]
    except OSError:
        return [pid]
    return [pid, *(one for child_pid in below for one in family(child_pid))]


def resident(pid: int) -> int:
    """Memory in use, what is shared counted in part (PSS); 0 if the process is gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    except (OSError, StopIteration):
        return 0


# --- corpora ----------------------------------------------------------------------------------------------------------


def vocabulary() -> list[str]:
    """Words of several syllables, made up and always the same: English has no list that everybody has."""
    chance = random.Random(0)  # noqa: S311 - figures, no secrets
    onsets, vowels, ends = (
        "b c d f g h j l m n p r s t v w st tr pl gr".split(),
        "a e i o u ea ou".split(),
        "n r s t l nd".split(),
    )
    made = (
        "".join(chance.choice(onsets) + chance.choice(vowels) for _ in range(chance.randint(1, 3)))
        + chance.choice(ends)
        for _ in range(8_000)
    )
    return sorted(set(made))


def corpus(
    folder: Path, files: int, *, sections: int = SECTIONS, words: tuple[int, int] = WORDS, seed: int = 1
) -> None:
    """Markdown files of prose: words as frequent as in a language (Zipf), sentences, a heading for each passage."""
    known = vocabulary()
    chance = random.Random(seed)  # noqa: S311 - figures, no secrets
    weights = [1 / (rank + 3) for rank in range(len(known))]
    stock = chance.choices(known, weights, k=2_000_000)

    def prose(count: int) -> str:
        at = chance.randrange(len(stock) - count)
        taken = stock[at : at + count]
        sentences = []
        while taken:
            size = chance.randint(8, 20)
            sentences.append(" ".join(taken[:size]).capitalize() + ".")
            taken = taken[size:]
        return " ".join(sentences)

    for number in range(files):
        path = folder / f"{number // 200:02}" / f"{number:05}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        body = (f"## {prose(3)}\n\n{prose(chance.randint(*words))}\n" for _ in range(sections))
        path.write_text(f"# {prose(4)}\n\n" + "\n".join(body))


def p95(taken: list[float]) -> float:
    return sorted(taken)[int(0.95 * len(taken))]


def spread(taken: list[float]) -> str:
    return f"{1000 * statistics.median(taken):.0f} / {1000 * p95(taken):.0f} ms"


if __name__ == "__main__":
    main()
