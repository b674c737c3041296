"""`kura eval add --from-feedback`: answers with thumbs down become cases of a suite, in one step.

For whoever owns the data folder. What people asked is shown to nobody who does not ask for it (`--list`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.options import Config, DataDir, named_path, settings

if TYPE_CHECKING:
    from bot.evaluation.suite import Case
    from bot.feedback import Complaint

TAG = "feedback"
_ID_DIGITS = 12
"""Digits of an answer's id in that of its case: enough for no two to be alike."""


def add(
    context: typer.Context,
    suite: Annotated[
        Path | None,
        typer.Argument(metavar="SUITE", parser=named_path, help="A .yaml or .jsonl; begun if it is not there."),
    ] = None,
    from_feedback: Annotated[
        bool, typer.Option("--from-feedback", help="From answers that people gave thumbs down.")
    ] = False,
    answer: Annotated[str, typer.Option("--answer", metavar="ID", help="Only this answer, by its trace_id.")] = "",
    listed: Annotated[bool, typer.Option("--list", help="Print what there is, and add nothing.")] = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Make cases of a suite from real questions whose answers were wrong; the expected source is yours to add."""
    from bot.wiring import open_conversations
    from ingest.wording import counted
    from retrieval.errors import NotFound

    if not from_feedback:
        raise typer.BadParameter("say where the cases come from: --from-feedback")
    if suite is None and not listed:
        raise typer.BadParameter("name the SUITE that the cases are added to, or print them with --list")
    with open_conversations(settings(context, data_dir, config)) as store:
        found = [one for one in store.complaints() if answer in ("", one.answer_id)]
    if answer and not found:
        raise NotFound(
            f"Nobody gave the answer {answer!r} thumbs down: `kura eval add --from-feedback --list` shows which."
        )
    if suite is None or listed:
        _print(found)
        return
    added = _append(suite, found)
    known = len(found) - added
    typer.echo(f"{counted(added, 'case')} added to {suite}" + (f", {known} there already." if known else "."))
    if added:
        typer.echo("Add the expected `source` to each, and what it must say where nobody said what is right.")


def _append(suite: Path, complaints: list[Complaint]) -> int:
    """Add what the suite does not ask yet; returns how many."""
    from bot.evaluation.suite import append_case, load

    asked = [(one.question, frozenset(one.groups)) for one in load(suite).cases] if suite.exists() else []
    ids = {one.id for one in load(suite).cases} if suite.exists() else set()
    added = 0
    for complaint in complaints:
        case = _case(complaint)
        if case.id in ids or (case.question, frozenset(case.groups)) in asked:
            continue
        append_case(suite, case)
        ids.add(case.id)
        asked.append((case.question, frozenset(case.groups)))
        added += 1
    return added


def _case(complaint: Complaint) -> Case:
    """The question, made to stand alone, for whoever is in the same groups; what is right, if that was said."""
    from bot.evaluation.suite import Case
    from retrieval.access import EVERYBODY

    right = complaint.feedback.right.strip()
    return Case(
        id=f"{TAG}-{complaint.answer_id[:_ID_DIGITS]}",
        question=complaint.query,
        accepted=(right,) if right else (),
        tags=(TAG,),
        groups=tuple(sorted(complaint.groups - {EVERYBODY})),
    )


def _print(complaints: list[Complaint]) -> None:
    from bot.cli.output import printable

    for one in complaints:
        typer.echo(f"{one.answer_id}  {one.at}")
        said = {"asked": one.question, "was told": one.answer, "wrong": one.feedback.wrong, "right": one.feedback.right}
        for label, text in said.items():
            if text.strip():
                typer.echo(f"  {label}: {printable(' '.join(text.split()))}")
    if not complaints:
        typer.echo("Nobody gave an answer thumbs down.")
