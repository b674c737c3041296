"""`kura calibrate`: from which score on Kura answers, fitted to the documents that are in the index."""

from __future__ import annotations

import math
from typing import Annotated

import typer

from bot.cli.options import Config, DataDir, Json, settings

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
    from bot.cli.output import print_json
    from bot.cli.upkeep import carried_out, told
    from bot.upkeep import CalibrationOrder, UpkeepRequest

    if math.isnan(wrong_costs):
        raise typer.BadParameter("a number of refusals is needed", param_hint="--wrong-costs")
    order = CalibrationOrder(questions, wrong_costs, show, dry_run)
    request = UpkeepRequest("calibrate", calibration=order)
    result = carried_out(settings(context, data_dir, config), request, command="kura calibrate")
    if as_json:
        print_json(result.figures)
    else:
        told(result)
