"""`kura eval run|golden|list|show|compare|report`: suites of questions asked and scored, and what came of them kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli import evaluation_feedback
from bot.cli.ask import StyleOption
from bot.cli.options import Anyway, AsName, Config, DataDir, Groups, Json, named_path, settings

if TYPE_CHECKING:
    from bot.evaluation.runs import Run, RunStore
    from bot.settings import Settings
    from bot.upkeep import EvaluationOrder

evaluation_app = typer.Typer(
    no_args_is_help=True,
    help="Suites of questions, asked and scored: how good answers are, and what a change does to them.",
)

RunName = Annotated[
    str, typer.Argument(metavar="RUN", help="Its id, or what its id alone begins or ends with, or `latest`.")
]
HtmlFile = Annotated[
    Path, typer.Option("--html", parser=named_path, metavar="FILE", help="Write the report to this file.")
]
MOST_TRIALS = 100

evaluation_app.command("add")(evaluation_feedback.add)


@evaluation_app.command("run")
def run_suite(
    context: typer.Context,
    suite: Annotated[Path, typer.Argument(parser=named_path, metavar="SUITE", help="A .yaml or .jsonl of cases.")],
    configs: Annotated[
        list[Path] | None,
        typer.Option("--config", parser=named_path, metavar="FILE", help="The settings; given twice: both, compared."),
    ] = None,
    trials: Annotated[
        int, typer.Option("--trials", min=1, max=MOST_TRIALS, help="How often each case is asked, where answers vary.")
    ] = 1,
    judge: Annotated[
        bool, typer.Option("--judge", help="Let the local model that is set weigh answers against references, too.")
    ] = False,
    fail_below: Annotated[
        list[str] | None,
        typer.Option("--fail-below", metavar="SCORE=VALUE", help="Exit 1 if a score is lower; may be repeated."),
    ] = None,
    style: StyleOption = None,
    as_name: AsName = "",
    group: Groups = None,
    as_json: Json = False,
    data_dir: DataDir = None,
) -> None:
    """Ask every case of a suite, score what comes of it, and keep the run."""
    from bot.cli.evaluation_output import print_comparison, print_run, run_as_json
    from bot.cli.output import print_json
    from bot.evaluation.comparing import compare
    from bot.evaluation.suite import load
    from bot.upkeep import EvaluationOrder

    least = _least(fail_below or ())
    if len(configs or ()) > 2:
        raise typer.BadParameter("give --config once, or twice to compare")
    load(suite)  # what is wrong with it is told before anything is opened
    given: Sequence[Path | None] = configs or [None]
    chosen = [settings(context, data_dir, config) for config in given]
    if len(chosen) == 2:
        _refuse_server(chosen)
    order = EvaluationOrder(str(suite.absolute()), as_name, tuple(group or ()), trials, judge)
    runs = [_evaluated(one, order, style) for one in chosen]
    comparison = compare(*runs) if len(runs) == 2 else None
    if as_json:
        print_json(
            {
                "runs": [run_as_json(run) for run in runs],
                "comparison": comparison.as_json() if comparison else None,
            }
        )
    else:
        for run in runs:
            print_run(run)
        if comparison is not None:
            print_comparison(comparison)
    unmet = [sentence for run in runs for sentence in _unmet(run, least)]
    for sentence in unmet:
        typer.echo(f"kura: {sentence}", err=True)
    if unmet or any(run.failed == len(run.cases) for run in runs):
        raise typer.Exit(1)


@evaluation_app.command("list")
def list_runs(context: typer.Context, as_json: Json = False, data_dir: DataDir = None, config: Config = None) -> None:
    """The runs that are kept, newest first."""
    from bot.cli.evaluation_output import run_as_json, run_line
    from bot.cli.output import print_json
    from bot.evaluation.runs import Run

    found = list(_store(context, data_dir, config).every())
    runs = [one for one in found if isinstance(one, Run)]
    if as_json:
        print_json([run_as_json(run) for run in runs])
    for run in () if as_json else runs:
        typer.echo(run_line(run))
    for fault in found:
        if not isinstance(fault, Run):
            typer.echo(f"kura: {fault}", err=True)
    if not found and not as_json:
        typer.echo("No evaluation was run yet: `kura eval run SUITE` runs one.")


@evaluation_app.command("show")
def show(
    context: typer.Context, run: RunName, as_json: Json = False, data_dir: DataDir = None, config: Config = None
) -> None:
    """A run's scores, and the cases that fell short; with --json, the whole run."""
    from bot.cli.evaluation_output import print_run
    from bot.cli.output import print_json

    found = _store(context, data_dir, config).get(run)
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        print_run(found)


@evaluation_app.command("compare")
def compare_runs(
    context: typer.Context,
    a: Annotated[str, typer.Argument(metavar="BEFORE", help="A run, as `kura eval list` shows it.")],
    b: Annotated[str, typer.Argument(metavar="AFTER", help="Another run of the same suite.")],
    html: Annotated[
        Path | None, typer.Option("--html", parser=named_path, metavar="FILE", help="Write a page, too.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Compare runs of different suites by the cases they have in common.")
    ] = False,
    as_json: Json = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Two runs case by case: what changed, and whether it is more than chance."""
    from bot.cli.evaluation_output import print_comparison, write_page
    from bot.cli.output import print_json
    from bot.evaluation.comparing import compare

    store = _store(context, data_dir, config)
    comparison = compare(store.get(a), store.get(b), force=force)
    if as_json:
        print_json(comparison.as_json())
    else:
        print_comparison(comparison)
    if html is not None:
        from bot.evaluation.report import comparison_page

        write_page(html, comparison_page(comparison))


@evaluation_app.command("report")
def report(
    context: typer.Context, run: RunName, html: HtmlFile, data_dir: DataDir = None, config: Config = None
) -> None:
    """Write a run as one HTML page that needs nothing else."""
    from bot.cli.evaluation_output import write_page
    from bot.evaluation.report import run_page

    write_page(html, run_page(_store(context, data_dir, config).get(run)))


@evaluation_app.command("golden")
def golden(
    context: typer.Context,
    anyway: Anyway = False,
    as_json: Json = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Ask the golden questions of what answers now, beside the run that was accepted last; exit 1 if they fare worse."""
    from bot.cli.evaluation_output import print_run, run_as_json
    from bot.cli.output import print_json
    from bot.cli.upkeep import carried_out, told, warned
    from bot.evaluation.runs import RunStore
    from bot.upkeep import UpkeepRequest

    chosen = settings(context, data_dir, config)
    result = carried_out(chosen, UpkeepRequest("golden", anyway=anyway), command="kura eval golden")
    run = RunStore(chosen.data_dir).get(result.figures["run"])
    if as_json:
        warned(result)
        print_json(run_as_json(run))
    else:
        print_run(run)
        told(result)


def _refuse_server(chosen: Sequence[Settings]) -> None:
    """Raises SettingsError if a server holds the data folder: it could run one of two at most."""
    from bot.errors import SettingsError
    from bot.wiring.handover import running_server

    if any(running_server(one.data_dir) for one in chosen):
        raise SettingsError(
            "A server holds the data folder and answers by its own settings: stop it to compare two, or copy the folder and"
            " name the copy with --data-dir."
        )


def _evaluated(chosen: Settings, order: EvaluationOrder, style: str | None) -> Run:
    """The run that came of it: here, or in the server that holds the data folder."""
    from bot.cli.upkeep import carried_out, warned
    from bot.evaluation.runs import RunStore
    from bot.upkeep import UpkeepRequest

    request = UpkeepRequest("evaluate", evaluation=order)
    result = carried_out(chosen, request, command="kura eval run", style=style)
    warned(result)
    return RunStore(chosen.data_dir).get(result.figures["run"])


def _store(context: typer.Context, data_dir: Path | None, config: Path | None) -> RunStore:
    from bot.evaluation.runs import RunStore

    return RunStore(settings(context, data_dir, config).data_dir)


def _least(given: Sequence[str]) -> dict[str, float]:
    """What each score must reach."""
    from bot.evaluation.scorers import SHARES

    least: dict[str, float] = {}
    for one in given:
        name, _, number = one.partition("=")
        try:
            least[name] = float(number)
        except ValueError:
            raise typer.BadParameter(f"--fail-below {one}: write it as SCORE=VALUE, such as answer=0.9") from None
        if name not in SHARES or not 0 <= least[name] <= 1:
            raise typer.BadParameter(f"--fail-below {one}: name one of {', '.join(SHARES)}, and a value from 0 to 1")
    return least


def _unmet(run: Run, least: Mapping[str, float]) -> list[str]:
    sentences = []
    for name, value in least.items():
        summary = run.scores.get(name)
        if summary is None:
            sentences.append(f"Run {run.id}: no case has the score {name}, which must not be below {value:g}.")
        elif summary.mean < value:
            sentences.append(f"Run {run.id}: {name} is {summary.mean:.4f}, below {value:g}.")
    return sentences
