"""What `kura calibrate` is worth: refusals at the default threshold, at the calibrated one, and at the best there could be.

    python -m benchmarks.calibration --data DIR [--questions N] [--json FILE]
    python -m benchmarks.calibration --handbook [--questions N] [--json FILE]

DIR as in `benchmarks/question_sets.py`. Half of its articles are left out, the rest is ingested and calibrated on: the
calibration sees documents, never a question of the set. Then every question is asked; those of the left-out half must be refused.
The best threshold is chosen looking at the answers: no calibration can do better with the same scores.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.question_sets import EXAMPLES, write_articles
from bot.calibration.calibrating import Calibrator
from bot.calibration.errors import CannotCalibrate
from bot.calibration.fitting import fit
from bot.evidence import ENOUGH, weigh
from bot.finding import PASSAGES
from bot.identity import local_principal
from bot.ingesting import IngestRequest
from bot.settings import load
from bot.wiring import Kura, open_kura
from retrieval.access import Readers

COSTS = (1.0, 3.0)
"""How many refusals a wrong answer costs; a calibration is made for each."""


@dataclass(frozen=True, slots=True)
class Scored:
    """The score of a question, and whether it must be refused."""

    text: str
    score: float
    refuse: bool


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, help="a folder with documents.json and questions.jsonl")
    parser.add_argument("--handbook", action="store_true", help="measure on examples/handbook instead")
    parser.add_argument("--questions", type=int, default=300, help="questions made for the calibration")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    arguments = parser.parse_args()
    if (arguments.data is None) == (not arguments.handbook):
        parser.error("give either --data DIR or --handbook")
    with (
        tempfile.TemporaryDirectory(prefix="kura-benchmark-") as work,
        open_kura(load(overrides={"data_dir": Path(work) / "data"}), holder="benchmark") as kura,
    ):
        asked = handbook(kura) if arguments.handbook else question_set(kura, arguments.data, Path(work) / "docs")
        report = {"questions": len(asked), "must be refused": sum(one.refuse for one in asked)} | measure(
            kura, asked, arguments.questions
        )
    for name, value in report.items():
        print(f"{name:<60} {value:.3f}" if isinstance(value, float) else f"{name:<60} {value}")
    if arguments.json:
        arguments.json.write_text(json.dumps(report, ensure_ascii=False, indent=1))
    return 0


def question_set(kura: Kura, data: Path, docs: Path) -> list[Scored]:
    """Half of the articles, and every question."""
    cases = write_articles(data, docs)
    files = sorted({case.file for case in cases if case.file})
    random.Random(1).shuffle(files)  # noqa: S311 - the same half as in benchmarks/answers.py
    left_out = set(files[: len(files) // 2])
    for file in left_out:
        file.unlink()
    kura.ingest(IngestRequest(paths=(docs,)), lambda _: None)
    return [Scored(case.question, score(kura, case.question), case.file in left_out) for case in cases]


def handbook(kura: Kura) -> list[Scored]:
    """The example handbook and its questions, of which some have no answer in it."""
    folder = EXAMPLES / "handbook"
    people = IngestRequest(paths=(folder / "people-team",), readers=Readers(frozenset({"hr"})))
    kura.ingest(people, lambda _: None)
    kura.ingest(IngestRequest(paths=(folder / "company",)), lambda _: None)
    lines = (EXAMPLES / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    return [
        Scored(one["question"], score(kura, one["question"], one["groups"]), one["refuse"])
        for one in map(json.loads, lines)
    ]


def score(kura: Kura, question: str, groups: Sequence[str] = ()) -> float:
    """As the assistant scores it."""
    found = kura.searcher.search(question, principal=local_principal(groups=groups), k=PASSAGES)
    return weigh(question, found).score


def measure(kura: Kura, asked: Sequence[Scored], questions: int) -> dict[str, float | int | str]:
    """Accuracies of each way to choose the threshold."""
    best = max((one.score for one in asked), key=lambda threshold: accuracy(asked, lambda _: threshold)[0])
    right = [one.score for one in asked if not one.refuse]
    wrong = [one.score for one in asked if one.refuse]
    report: dict[str, float | int | str] = {"AUC of the scores": fit(right, wrong, default=ENOUGH).auc}
    add(report, f"default {ENOUGH:g}", accuracy(asked, lambda _: ENOUGH))
    for costs in COSTS:
        try:
            outcome = Calibrator(kura.index, kura.searcher).run(questions, costs)
        except CannotCalibrate as error:
            report[f"calibrated, wrong costs {costs:g}"] = str(error)
            continue
        made = outcome.calibration
        report[f"threshold, wrong costs {costs:g}"] = made.threshold
        report[f"... made questions, AUC, seconds ({costs:g})"] = (
            f"{len(outcome.asked)}, {made.auc:.3f}, {outcome.seconds:.0f}"
        )
        report[f"... on made questions: best, before, after ({costs:g})"] = (
            f"{outcome.common.best:.2f}; {made.before:.3f}, {made.after:.3f}"
        )
        add(report, f"calibrated, wrong costs {costs:g}", accuracy(asked, made.enough))
    add(report, f"best there could be ({best:.2f})", accuracy(asked, lambda _: best))
    return report


def accuracy(asked: Sequence[Scored], enough: Callable[[str], float]) -> tuple[float, float, float]:
    """Of all, of those that must be refused, and of those that can be answered: the share that is treated right."""
    right = np.array([(one.score < enough(one.text)) == one.refuse for one in asked])
    refuse = np.array([one.refuse for one in asked])
    return float(right.mean()), float(right[refuse].mean()), float(right[~refuse].mean())


def add(report: dict[str, float | int | str], name: str, shares: tuple[float, float, float]) -> None:
    """One way to choose, in a line."""
    whole, refused, answered = shares
    report[name] = (
        f"accuracy {whole:.3f}; refused {refused:.3f} of what must be, answered {answered:.3f} of what can be"
    )


if __name__ == "__main__":
    os.environ.pop("KURA_CONFIG", None)
    sys.exit(main())
