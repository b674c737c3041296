"""`kura calibrate`: from which score on Kura answers, fitted to the documents that are in the index."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.options import Config, DataDir, Json, settings
from ingest.wording import counted

if TYPE_CHECKING:
    from bot.calibration.calibrating import Outcome
    from bot.calibration.fitting import Fit

QUESTIONS = 300
"""Made unless somebody says: the threshold's interval is then some 0.1 to 0.3 wide."""
MOST_QUESTIONS = 5_000
"""Each costs two searches; the interval hardly narrows beyond."""
MOST_COSTS = 100.0
"""Beyond, everything would be refused."""


def calibrate(
    context: typer.Context,
    questions: Annotated[
        int, typer.Option(min=50, max=MOST_QUESTIONS, metavar="N", help="Questions to make from the documents.")
    ] = QUESTIONS,
    wrong_costs: Annotated[
        float,
        typer.Option(min=1 / MOST_COSTS, max=MOST_COSTS, metavar="R", help="How many refusals a wrong answer costs."),
    ] = 1.0,
    show: Annotated[
        int, typer.Option(min=0, metavar="N", help="Print so many of the questions, with their scores.")
    ] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Keep nothing: print what would be kept.")] = False,
    as_json: Json = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Fit the threshold of refusal to questions made from the documents themselves. Reads all of them."""
    from bot.cli.ingest import progress_bars
    from bot.cli.output import print_json, printable
    from bot.wiring import open_kura
    from bot.wiring.calibration import calibrate as run

    if math.isnan(wrong_costs):
        raise typer.BadParameter("a number of refusals is needed", param_hint="--wrong-costs")
    chosen = settings(context, data_dir, config)
    with open_kura(chosen, holder="kura calibrate") as kura, progress_bars() as bar:
        outcome = run(
            kura,
            questions,
            wrong_costs,
            lambda done, total: bar("calibration", done, total, "questions asked", {}),
            dry_run=dry_run,
        )
    shown = [
        {"question": one.made.text, "score": round(one.score, 3), "left_out": one.without and round(one.without, 3)}
        for one in outcome.asked[:show]
    ]
    if as_json:
        print_json(outcome.as_json() | ({"shown": shown} if show else {}))
        return
    for one in shown:
        left_out = "-" if one["left_out"] is None else f"{one['left_out']:.2f}"
        typer.echo(f"  {one['score']:.2f} {left_out:>4}  {printable(str(one['question']))}")
    _print(outcome)
    kept = "Nothing was kept (--dry-run)." if dry_run else "Kept; what runs on this folder uses it from now on."
    typer.echo(kept)


def _print(outcome: Outcome) -> None:
    found = outcome.calibration
    by_language = ", ".join(f"{count} {name}" for name, count in found.questions.items())
    written = sum(one.made.written for one in outcome.asked)
    typer.echo(
        f"Asked:      {counted(len(outcome.asked), 'question')} ({by_language}; {written} written by the model), the same"
        f" without their documents, and {outcome.foreign} foreign ones; {outcome.not_found} were discarded:"
        f" search did not find their passage. {outcome.seconds:.0f} s"
    )
    _print_fit("all", outcome.common)
    for name, one in outcome.by_language.items():
        _print_fit(name, one)
    own = "".join(f", {name} {value:g}" for name, value in found.by_language.items())
    typer.echo(f"Threshold:  {found.threshold:g}{own}")


def _print_fit(name: str, one: Fit) -> None:
    typer.echo(
        f"{name:<11} best {one.best:g} (90 % of resamples: {one.low:g} to {one.high:g}), AUC {one.auc:.3f}; chosen"
        f" {one.threshold:g}, {'the nearest of these to the default' if one.helps else 'the default: no other does better'};"
        f" balanced accuracy {one.before:.3f} before, {one.after:.3f} after"
    )
    typer.echo("  threshold   refuses of what can be answered   of what must be refused")
    for beside in one.neighbours:
        typer.echo(
            f"  {beside.threshold:>9.3f}   {beside.answerable_refused:>32.1%}   {beside.unanswerable_refused:>22.1%}"
        )
