"""Fits the weights by which evidence orders sentences (`UNIT_WEIGHTS` of `bot/evidence.py`) on a question set.

    python -m benchmarks.training --data DIR [--limit N]

DIR as in `benchmarks/answers.py`. Two thirds of the articles are fitted on; the last third shows what the weights are worth
beside those in use. A feature that never changes on the set (`likeness`, where the embedder does not speak its language)
gets no weight: it says nothing of it.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.answers import Case, holds, ingest, write_articles
from bot.asking import read_question
from bot.clues import clues
from bot.evidence import UNIT_WEIGHTS
from bot.finding import PASSAGES
from bot.identity import local_principal
from bot.settings import load
from bot.wiring import Kura, open_kura

PARTS = 3
STEPS, RATE, SHRINK = 400, 0.03, 1e-3
"""Of the descent (Adam): steps over the whole set, their size, and the pull of each weight towards 0."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Example:
    """The units of a question: their features (units x features) and which of them hold an accepted string."""

    features: Floats
    right: npt.NDArray[np.bool_]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="a folder with documents.json and questions.jsonl")
    parser.add_argument("--limit", type=int, default=0, help="so many questions only, chosen evenly")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kura-training-") as work:
        cases = write_articles(arguments.data, Path(work) / "docs")
        if arguments.limit:
            cases = cases[:: max(1, len(cases) // arguments.limit)][: arguments.limit]
        with open_kura(load(overrides={"data_dir": Path(work) / "data"}), holder="training") as kura:
            ingest(kura, Path(work) / "docs", "all")
            files = sorted({case.file for case in cases if case.file})
            parts: list[list[Example]] = [[] for _ in range(PARTS)]
            for case in cases:
                if (one := example(kura, case)) and case.file:
                    parts[files.index(case.file) % PARTS].append(one)
    *shown, held_out = parts
    fitted = fit([one for part in shown for one in part])
    for name, weight in zip(UNIT_WEIGHTS, fitted, strict=True):
        print(f"{name:<20} {weight:6.2f}   in use {UNIT_WEIGHTS[name]:6.2f}")
    for name, weights in (("fitted", fitted), ("in use", np.array([*UNIT_WEIGHTS.values()]))):
        one, three = (share(held_out, weights, first) for first in (1, 3))
        print(
            f"{name}: {len(held_out)} questions held out, the first unit is right for {one:.4f}, one of three {three:.4f}"
        )
    return 0


def example(kura: Kura, case: Case) -> Example | None:
    """None where no unit, or none of the right document, holds an accepted string."""
    found = kura.searcher.search(case.question, principal=local_principal(), k=PASSAGES)
    asked = read_question(case.question, found.rarity)
    hints = clues(asked, found) if asked.weights else []
    right = np.array(
        [
            found.hits[one.hit].address == str(case.file)
            and holds([found.hits[one.hit].text[one.unit.start : one.unit.end]], case)
            for one in hints
        ],
        bool,
    )
    if not right.any():
        return None
    return Example(np.array([[one.features[name] for name in UNIT_WEIGHTS] for one in hints]), right)


def fit(examples: Sequence[Example]) -> Floats:
    """The weights under which softmax over a question's units makes the right ones likeliest."""
    features = np.concatenate([one.features for one in examples])
    right = np.concatenate([one.right for one in examples]).astype(float)
    lengths = [len(one.right) for one in examples]
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    of = np.repeat(np.arange(len(examples)), lengths)
    scale = features.std(axis=0) + 1e-9
    scaled = np.where(features.std(axis=0) > 0, features / scale, 0.0)
    weights, mean, spread = (np.zeros(len(scale)) for _ in range(3))
    for step in range(1, STEPS + 1):
        scores = scaled @ weights
        powers = np.exp(scores - np.maximum.reduceat(scores, starts)[of])
        likely = powers / np.add.reduceat(powers, starts)[of]
        best = powers * right / np.maximum(np.add.reduceat(powers * right, starts), 1e-300)[of]
        slope = scaled.T @ (likely - best) / len(examples) + SHRINK * weights
        mean, spread = 0.9 * mean + 0.1 * slope, 0.99 * spread + 0.01 * slope**2
        weights -= RATE * (mean / (1 - 0.9**step)) / (np.sqrt(spread / (1 - 0.99**step)) + 1e-8)
    fitted: Floats = weights / scale
    return fitted


def share(examples: Sequence[Example], weights: Floats, first: int) -> float:
    """Of the questions for which one of the `first` best units is right."""
    ranked = [np.argsort(-(one.features @ weights), kind="stable")[:first] for one in examples]
    return float(np.mean([one.right[best].any() for one, best in zip(examples, ranked, strict=True)]))


if __name__ == "__main__":
    os.environ.pop("KURA_CONFIG", None)
    sys.exit(main())
