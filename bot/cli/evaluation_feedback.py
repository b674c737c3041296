"""`kura eval add --from-feedback`: answers with thumbs down become cases of a suite, in one step.

For whoever owns the data folder. What people asked is shown to nobody who does not ask for it (`--list`).
"""

from __future__ import annotations

from collections.abc import Sequence
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
MOST_WORDS, MOST_LETTERS = 4, 12
"""Of a note that an answer can be expected to hold as it stands; what is longer says the same in many ways. Letters are those
of a text without spaces between its words."""


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
    accepted: Annotated[
        list[str] | None,
        typer.Option(
            "--accepted",
            metavar="TEXT",
            help="What the answer must hold, with --answer; may be repeated: any one of them.",
        ),
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="Print what there is, and add nothing.")] = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Make cases of a suite from real questions whose answers were wrong; the expected source is yours to add."""
    from bot.evaluation.suite import add_cases
    from bot.wiring import open_conversations
    from ingest.wording import counted
    from retrieval.errors import NotFound

    if not from_feedback:
        raise typer.BadParameter("say where the cases come from: --from-feedback")
    if suite is None and not listed:
        raise typer.BadParameter("name the SUITE that the cases are added to, or print them with --list")
    if accepted and (not answer or not all(one.strip() for one in accepted)):
        raise typer.BadParameter(
            "--accepted says what one answer must hold: name that with --answer, and give it a text"
        )
    with open_conversations(settings(context, data_dir, config)) as store:
        found = [one for one in store.complaints() if answer in ("", one.answer_id)]
    if answer and not found:
        raise NotFound(
            f"Nobody gave the answer {answer!r} thumbs down: `kura eval add --from-feedback --list` shows which."
        )
    if suite is None or listed:
        _print(found)
        return
    cases = [_case(one, accepted or ()) for one in found]
    added = add_cases(suite, cases) if cases else ()
    known = len(found) - len(added)
    typer.echo(f"{counted(len(added), 'case')} added to {suite}" + (f", {known} there already." if known else "."))
    if added:
        typer.echo("Add the expected `source` to each, and what it must say where nobody said what is right.")
    if prose := sum(bool(one.reference) and not one.accepted for one in added):
        typer.echo(
            f"{counted(prose, 'case')} has prose as `reference`, which only --judge weighs: where there is a word that a right"
            " answer must hold, make that `accepted` (--list proposes some)."
        )


def _case(complaint: Complaint, accepted: Sequence[str]) -> Case:
    """The question, made to stand alone, for whoever is in the same groups; what is right, if that was said."""
    from bot.evaluation.suite import Case
    from retrieval.access import EVERYBODY

    right = complaint.feedback.right.strip()
    return Case(
        id=f"{TAG}-{complaint.answer_id[:_ID_DIGITS]}",
        question=complaint.query,
        accepted=tuple(accepted) or ((right,) if _is_short(right) else ()),
        reference="" if _is_short(right) else right,
        tags=(TAG,),
        groups=tuple(sorted(complaint.groups - {EVERYBODY})),
    )


def _is_short(note: str) -> bool:
    """Whether a right answer can be expected to hold this word for word: a name, an amount."""
    words = note.split()
    spaced = note.isascii() or len(words) > 1
    return (
        bool(note)
        and len(words) <= MOST_WORDS
        and (spaced or len(note) <= MOST_LETTERS)
        and note[-1] not in ".。!?！？"
    )


def _proposed(complaint: Complaint) -> list[str]:
    """What a right answer may have to hold: the dates, numbers and names of the note that are not in the question."""
    from bot.calibration.facts import facts
    from retrieval.language import language

    right = complaint.feedback.right
    if _is_short(right.strip()):
        return []
    found = [one for one in facts(right, language(right)) if one.kind != "what"]
    inner = {
        one for one in found for other in found if one != other and other.start <= one.start <= one.end <= other.end
    }
    texts = [right[one.start : one.end] for one in found if one not in inner]
    return [one for one in dict.fromkeys(texts) if one.casefold() not in complaint.query.casefold()]


def _print(complaints: list[Complaint]) -> None:
    from bot.cli.output import printable

    for one in complaints:
        typer.echo(f"{one.answer_id}  {one.at}")
        said = {"asked": one.question, "was told": one.answer, "wrong": one.feedback.wrong, "right": one.feedback.right}
        said["could be --accepted"] = ", ".join(_proposed(one))
        for label, text in said.items():
            if text.strip():
                typer.echo(f"  {label}: {printable(' '.join(text.split()))}")
    if not complaints:
        typer.echo("Nobody gave an answer thumbs down.")
