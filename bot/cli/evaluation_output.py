"""How evaluations look on a terminal and as JSON. Scores go to standard output, faults of cases to standard error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from bot.cli.output import printable
from bot.evaluation.comparing import Change, Comparison, Difference
from bot.evaluation.errors import EvaluationError
from bot.evaluation.outcomes import CaseRecord
from bot.evaluation.report import LABELS, between, signed, value
from bot.evaluation.runs import Run
from bot.evaluation.scorers import SHARES
from ingest.wording import counted

MOST_LISTED = 20
"""Cases listed on a terminal; the report has all."""
MOST_SHOWN = 100
"""Characters of a question."""


def run_as_json(run: Run) -> dict[str, Any]:
    """A run without its cases, for programs."""
    return run.model_dump(mode="json", exclude={"cases"}) | {"cases": len(run.cases)}


def run_line(run: Run) -> str:
    """A run in one line."""
    main = [
        f"{name} {value(name, run.scores[name].mean)}" for name in ("hit@1", "answer", "refusal") if name in run.scores
    ]
    return printable(
        f"{run.id}  {run.suite.name}, {counted(len(run.cases), 'case')}: {', '.join(main)};"
        f" {run.subject.model}, {run.subject.style}" + (f", {run.failed:,} failed" if run.failed else "")
    )


def print_run(run: Run) -> None:
    """Scores with intervals, then the cases that fell short."""
    typer.echo(
        printable(
            f"Run {run.id}: {run.suite.name}, {counted(len(run.cases), 'case')}, {run.seconds:,.1f} s,"
            f" {run.subject.model} in {run.subject.style} style"
        )
    )
    for name, label in LABELS.items():
        if (one := run.scores.get(name)) is not None:
            told = "; ".join(filter(None, (between(name, one.low, one.high), counted(one.cases, "case"))))
            typer.echo(f"  {name:<11}{value(name, one.mean):>7}  {f'({told})':<29}  {label}")
    if run.judged is not None:
        _print_judged(run)
    short = [(record, lacking) for record in run.cases if (lacking := _lacking(record))]
    for record, lacking in short[:MOST_LISTED]:
        typer.echo(f"- {_shown(record.case.question)} ({printable(record.case.id)}): {lacking}")
    if len(short) > MOST_LISTED:
        typer.echo(f"  and {len(short) - MOST_LISTED:,} more: `kura eval report {run.id} --html FILE` shows all.")
    _print_faults(run)


def print_comparison(comparison: Comparison) -> None:
    """Differences with intervals, then what the runs differ in and the cases that came out differently."""
    typer.echo(f"From {comparison.a.id} to {comparison.b.id} (*: more than chance would bring)")
    for name, one in comparison.scores.items():
        typer.echo(_difference(name, name, one))
    if comparison.judged is not None:
        typer.echo(_difference("judge", "answer", comparison.judged))
    for name, before, after in comparison.circumstances:
        typer.echo(printable(f"  {name}: {before or 'none'} → {after or 'none'}"))
    for line in comparison.prompt_diff:
        typer.echo(printable(f"    {line}"))
    for said, ids in (
        ("Only in the first run", comparison.only_a),
        ("Only in the second run", comparison.only_b),
        ("Another case in the second suite, not compared", comparison.rewritten),
    ):
        if ids:
            typer.echo(printable(f"{said}: {', '.join(ids)}"))
    typer.echo(f"{counted(len(comparison.changes), 'case')} came out differently, {comparison.same:,} the same.")
    for change in comparison.changes[:MOST_LISTED]:
        typer.echo(f"- {_shown(change.b.case.question)} ({printable(change.b.case.id)}): {_changed(change)}")
    if len(comparison.changes) > MOST_LISTED:
        typer.echo(f"  and {len(comparison.changes) - MOST_LISTED:,} more: --html FILE shows all.")


def write_page(path: Path, page: str) -> None:
    """Write a page, readable by its owner alone as the run is; raises EvaluationError."""
    try:
        path.touch(0o600)
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise EvaluationError(f"{path} cannot be written ({error.strerror}): choose another place.") from error
    typer.echo(f"Wrote {path}.", err=True)


def _print_judged(run: Run) -> None:
    judged = run.judged
    if judged is None:
        return
    mean = "no verdict" if judged.summary is None else value("answer", judged.summary.mean)
    typer.echo(
        printable(
            f"  judge, apart from the scores: {mean}, {counted(judged.unread, 'verdict')} unread"
            f" ({judged.pin.model}, {judged.pin.model_sha256[:12]}, {judged.pin.prompt})"
        )
    )


def _print_faults(run: Run) -> None:
    failed = [record for record in run.cases if record.failed]
    for record in failed[:MOST_LISTED]:
        fault = record.error or next(trial.error for trial in record.trials if trial.error)
        typer.echo(printable(f"kura: case {record.case.id}: {fault}"), err=True)
    if len(failed) > MOST_LISTED:
        typer.echo(f"kura: and {len(failed) - MOST_LISTED:,} more cases with a fault.", err=True)


def _difference(label: str, name: str, one: Difference) -> str:
    sign = "*" if one.sure else " "
    interval = between(name, one.change.low, one.change.high)
    return (
        f"{sign} {label:<11}{value(name, one.a):>7} → {value(name, one.b):<7} {signed(name, one.change.mean):>7}"
        f"  {f'({interval})' if interval else '':<20}  {one.higher:,} higher, {one.lower:,} lower"
    )


def _lacking(record: CaseRecord) -> str:
    if record.failed:
        return "a fault"
    return ", ".join(
        f"{name} {value(name, mean)}" for name in SHARES if (mean := record.mean(name)) is not None and mean < 1
    )


def _changed(change: Change) -> str:
    told = [f"{name} {value(name, before)} → {value(name, after)}" for name, (before, after) in change.flips.items()]
    return ", ".join(told + change.others)


def _shown(question: str) -> str:
    line = " ".join(printable(question).split())
    return line if len(line) <= MOST_SHOWN else line[: MOST_SHOWN - 1] + "…"
