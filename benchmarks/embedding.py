"""Embedding many texts in one decode against one by one, and a query's wait while a library is embedded.

    python benchmarks/embedding.py [--model FILE --pooling POOLING] [--texts N] [--rounds N]

Without --model the starter chat model stands in for an embedding model of real size, with mean pooling. Both ways run in
turn in the same process, on the same texts; the figures are medians over the rounds.
"""

from __future__ import annotations

import argparse
import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path

from models.cards import starter_chat
from models.llamacpp_embed import LlamaEmbeddings

SENTENCE = "Rule {number}: the hotel cap in Bergen is {number} NOK for one night, breakfast included, with a receipt. "
LENGTHS = {"questions of ~30 tokens": 1, "passages of ~120 tokens": 4}
"""Sentences of a text."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--model", type=Path, help="a GGUF file; the starter chat model if not given")
    parser.add_argument("--pooling", default="file", choices=["file", "mean", "cls", "last"])
    parser.add_argument("--texts", type=int, default=16, help="texts of each length")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    path = arguments.model or starter_chat().path
    embedder = LlamaEmbeddings(path, pooling=arguments.pooling if arguments.model else "mean")
    embedder.embed_query("warm up")
    print(f"{path.name}, {arguments.texts} texts, median of {arguments.rounds} rounds\n")
    print(f"{'texts':<26} {'one by one':>12} {'batched':>12} {'batched / one by one':>22} {'least cosine':>14}")
    for name, sentences in LENGTHS.items():
        texts = [
            "".join(SENTENCE.format(number=n * sentences + s) for s in range(sentences)) for n in range(arguments.texts)
        ]
        compare(name, embedder, texts, arguments.rounds)
    waiting(embedder, texts)
    embedder.close()


def compare(name: str, embedder: LlamaEmbeddings, texts: list[str], rounds: int) -> None:
    """One line: texts a second each way, and how alike the vectors are."""
    single, batched = [], []
    for _ in range(rounds):
        single.append(timed(lambda: [embedder.embed_documents([text])[0] for text in texts]))
        batched.append(timed(lambda: embedder.embed_documents(texts)))
    likeness = min(sum(map(float.__mul__, a, b)) for a, b in zip(single[0][1], batched[0][1], strict=True))
    one, many = (statistics.median(seconds for seconds, _ in times) for times in (single, batched))
    print(f"{name:<26} {len(texts) / one:>10.1f}/s {len(texts) / many:>10.1f}/s {many / one:>22.2f} {likeness:>14.5f}")


def waiting(embedder: LlamaEmbeddings, texts: list[str]) -> None:
    """How long a query takes alone, and while another thread embeds the texts."""
    question = SENTENCE.format(number=7)
    alone = [timed(lambda: embedder.embed_query(question))[0] for _ in range(9)]
    library = threading.Thread(target=lambda: embedder.embed_documents(texts))
    start = time.perf_counter()
    library.start()
    beside = []
    while library.is_alive():
        beside.append(timed(lambda: embedder.embed_query(question))[0])
        time.sleep(0.05)
    whole = time.perf_counter() - start
    print(f"\na query alone {statistics.median(alone):.3f} s; while a library of {whole:.1f} s is embedded ", end="")
    print(f"{statistics.median(beside):.3f} s in the median, {max(beside):.3f} s at most ({len(beside)} queries)")


def timed(work: Callable[[], list[list[float]]] | Callable[[], list[float]]) -> tuple[float, list]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


if __name__ == "__main__":
    main()
