"""A calibration, built on an open Kura."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from bot.calibration.asking import ChatWriter
from bot.calibration.calibrating import Calibrator, Outcome
from bot.calibration.storing import keep
from bot.identity import local_principal
from bot.wiring import Kura


def calibrate(
    kura: Kura, questions: int, wrong_costs: float, on_progress: Callable[[int, int], None], *, dry_run: bool
) -> Outcome:
    """Calibrate, and keep what was found unless `dry_run`. A model that writes prose writes the questions too."""
    with ExitStack() as closing:
        writer = None
        if kura.model.style == "generate":
            writer = closing.enter_context(ChatWriter(kura.model, principal=local_principal("calibrate")))
        outcome = Calibrator(kura.index, kura.searcher, writer).run(questions, wrong_costs, on_progress)
    if not dry_run:
        keep(kura.settings.data_dir, outcome.calibration)
    return outcome
