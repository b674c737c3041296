"""What asks an open Kura: calibrations, evaluations, golden questions (`bot/upkeep.py` says when)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.upkeep import CalibrationOrder, EvaluationOrder, Note, UpkeepResult
from ingest.reports import Progress

if TYPE_CHECKING:
    from bot.evaluation.gate import GoldenOutcome
    from bot.wiring import Kura


class Asking:
    """See `bot.upkeep.Asking`."""

    def __init__(self, kura: Kura) -> None:
        self._kura = kura

    def calibrate(self, order: CalibrationOrder, note: Note) -> UpkeepResult:
        from bot.calibration.telling import told
        from bot.wiring.calibration import calibrate

        outcome = calibrate(
            self._kura,
            order.questions,
            order.wrong_costs,
            lambda done, total: note(Progress("calibration", done, total, "")),
            dry_run=order.dry_run,
        )
        shown = [
            {"question": one.made.text, "score": round(one.score, 3), "left_out": one.without and round(one.without, 3)}
            for one in outcome.asked[: order.show]
        ]
        kept = (
            "Nothing was kept (--dry-run)." if order.dry_run else "Kept; what runs on this folder uses it from now on."
        )
        return UpkeepResult(
            (*told(outcome, order.show), kept), figures=outcome.as_json() | ({"shown": shown} if shown else {})
        )

    def evaluate(self, order: EvaluationOrder, note: Note) -> UpkeepResult:
        from bot.wiring.evaluation import evaluate, varies

        warnings = []
        if self._kura.is_empty():
            warnings.append("Nothing has been ingested yet: run `kura ingest FOLDER` first.")
        if order.trials > 1 and not varies(self._kura):
            warnings.append("Answers in quote style do not vary: each case is asked once.")
        return UpkeepResult(warnings=tuple(warnings), figures={"run": evaluate(self._kura, order, note).id})

    def golden(self, note: Note, *, anyway: bool) -> UpkeepResult:
        from bot.wiring.golden import passed, present

        run, heeded = present(self._kura, note, anyway=anyway)
        return UpkeepResult((passed(run),), (heeded,) if heeded else (), figures={"run": run.id})

    def beside(self, former: int, made: int, note: Note) -> GoldenOutcome:
        from bot.wiring.golden import beside

        return beside(self._kura, former, made, note)

    def overruled(self) -> None:
        from bot.evaluation.golden import GoldenBook

        GoldenBook(self._kura.settings.data_dir).forget()
