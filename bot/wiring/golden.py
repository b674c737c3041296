"""The golden questions of an installation: asked of another generation, or of what answers since something was changed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bot.errors import SettingsError
from bot.evaluation.errors import GoldenUnasked, GoldenWorse, SuiteError
from bot.evaluation.gate import GoldenOutcome, unasked, weighed
from bot.evaluation.golden import GoldenBook, changed
from bot.evaluation.runs import Measured, Run, make_run
from bot.evaluation.suite import Suite, load
from bot.identity import local_principal
from bot.wiring.evaluation import asking, subject
from ingest.reports import Progress
from ingest.wording import counted
from models.errors import ModelError
from retrieval.errors import RetrievalError

if TYPE_CHECKING:
    from bot.upkeep import Note
    from bot.wiring import Kura

ASKED_AS = "golden questions"


def beside(kura: Kura, former: int, made: int, note: Note) -> GoldenOutcome:
    """Whether generation `made` may answer in place of `former`, both asked now. Nothing is said where there are no questions.

    Where `former` is what was accepted last, `made` is so from now on.
    """
    try:
        suite = _suite(kura)
    except SuiteError as error:
        return GoldenOutcome(objection=f"the golden questions cannot be asked ({error})")
    if suite is None or not former:
        return GoldenOutcome()
    book = GoldenBook(kura.settings.data_dir)
    accepted = book.accepted()
    try:
        before: Run | None = _asked(kura, suite, former, note)
    except (RetrievalError, ModelError):  # its vectors are damaged, or its embedder is gone: a repair is made for that
        before = accepted
    if before is None:
        return GoldenOutcome(remark=f"generation {former} cannot be asked any more, so that nothing was compared")
    after = _asked(kura, suite, made, note)
    if failed := unasked(before.cases) or unasked(after.cases):
        return GoldenOutcome(objection=failed)
    outcome = weighed(before.cases, after.cases, kura.settings.answer.golden_loss)
    if not outcome.objection and accepted is not None and not changed(accepted.subject, before.subject):
        book.accept(after)
    return outcome


def unchanged(kura: Kura) -> bool:
    """Whether there is nothing to ask: no golden questions, nothing in the index, or what answers is what was accepted.

    Raises SettingsError for questions that cannot be read, RunError.
    """
    suite = _readable(kura)
    if suite is None or kura.is_empty():
        return True
    accepted = GoldenBook(kura.settings.data_dir).accepted()
    return (
        accepted is not None and accepted.suite.sha256 == suite.sha256 and not changed(accepted.subject, subject(kura))
    )


def refused_before(kura: Kura) -> str:
    """Why what answers was refused already, asked with the same questions and documents; "" if it was not."""
    book, suite = GoldenBook(kura.settings.data_dir), _readable(kura)
    refused, present = book.refused(), subject(kura)
    same = (
        refused is not None
        and suite is not None
        and refused.suite.sha256 == suite.sha256
        and refused.subject.documents == present.documents
        and not changed(refused.subject, present)
    )
    return book.why if same else ""


def present(kura: Kura, note: Note, *, anyway: bool) -> tuple[Run, str]:
    """Ask them of what answers now, beside what was accepted last; the run, and what is to be heeded, or "".

    What passes is accepted. Unless `anyway`, raises GoldenWorse for what does not, and GoldenUnasked if some could not be asked:
    such a run is never the measure, nor is what answers refused for it. Raises SettingsError where there are none.
    """
    suite = _readable(kura)
    if suite is None:
        raise SettingsError("There are no golden questions: name a suite as answer.golden.")
    book = GoldenBook(kura.settings.data_dir)
    accepted = book.accepted()
    after = _asked(kura, suite, None, note)
    if failed := unasked(after.cases):
        why = f"Nothing can be told of what answers now: {failed}."
        if not anyway:
            raise GoldenUnasked(f"{why} `kura eval golden` asks them again, and with `--anyway` they are passed over.")
        book.store.put(after)
        return after, why
    allowed = kura.settings.answer.golden_loss
    outcome = weighed(accepted.cases, after.cases, allowed) if accepted else GoldenOutcome()
    if outcome.objection and not anyway:
        why = _told(outcome.objection, accepted, after)
        book.refuse(after, why)
        raise GoldenWorse(why)
    book.accept(after, despite=outcome.objection)
    return after, _told(outcome.objection or outcome.remark, accepted, after) if outcome != GoldenOutcome() else ""


def _told(clause: str, accepted: Run | None, after: Run) -> str:
    """A clause of an outcome, and what may have brought that."""
    if accepted is None:
        return f"What answers now: {clause}."
    differs = changed(accepted.subject, after.subject)
    if accepted.subject.documents != after.subject.documents:
        differs.append("the documents")
    since = f"since they last passed ({accepted.started:%Y-%m-%d %H:%M %Z})"
    why = f"changed {since}: {'; '.join(differs)}" if differs else f"nothing that is recorded changed {since}"
    return f"What answers now: {clause}; {why}. `kura eval compare {accepted.id} {after.id}` shows them case by case."


def _readable(kura: Kura) -> Suite | None:
    try:
        return _suite(kura)
    except SuiteError as error:
        raise SettingsError(f"answer.golden: the golden questions cannot be asked: {error}") from error


def _suite(kura: Kura) -> Suite | None:
    path = kura.settings.answer.golden
    return load(path) if path else None


def _asked(kura: Kura, suite: Suite, generation: int | None, note: Note) -> Run:
    from bot.evaluation.running import run
    from bot.wiring.search import make_searcher

    name = f"(golden questions, generation {generation})" if generation else "(golden questions)"
    started, measured = datetime.now(UTC), subject(kura, generation)
    with asking(kura, make_searcher(kura.settings, kura.index, generation=generation, reranking=kura.reranking)) as (
        assistant,
        runner,
    ):
        records = runner.run(
            run(
                suite,
                assistant.ask,
                assistant.search,
                principal_of=lambda case: local_principal(ASKED_AS, case.groups),
                on_progress=lambda done, total, _: note(Progress(name, done, total, "")),
            )
        )
    return make_run(Measured(suite, measured, ASKED_AS, 1, started, records))


def passed(run: Run) -> str:
    """That the golden questions were asked, and whether they are the measure now: a sentence."""
    shares = [f"{name} {run.scores[name].mean:.3f}" for name in ("answer", "refusal") if name in run.scores]
    is_now = "is no measure" if run.failed else "is the measure now"
    return f"{counted(len(run.cases), 'golden question')} asked ({', '.join(shares)}): run {run.id} {is_now}."
