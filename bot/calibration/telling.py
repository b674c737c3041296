"""A calibration in lines for people. Knows no terminal."""

from __future__ import annotations

from collections.abc import Iterator

from bot.calibration.calibrating import Outcome
from bot.calibration.fitting import Fit
from ingest.wording import counted


def told(outcome: Outcome, show: int) -> tuple[str, ...]:
    """`show` of the questions with their scores, then what was asked, the fits, and the threshold."""
    lines = []
    for one in outcome.asked[:show]:
        left_out = "-" if one.without is None else f"{one.without:.2f}"
        lines.append(f"  {one.score:.2f} {left_out:>4}  {one.made.text}")
    found = outcome.calibration
    by_language = ", ".join(f"{count} {name}" for name, count in found.questions.items())
    written = sum(one.made.written for one in outcome.asked)
    lines.append(
        f"Asked:      {counted(len(outcome.asked), 'question')} ({by_language}; {written} written by the model), the same"
        f" without their documents, and {outcome.foreign} foreign ones; {outcome.not_found} were discarded:"
        f" search did not find their passage. {outcome.seconds:.0f} s"
    )
    for name, fit in {"all": outcome.common, **outcome.by_language}.items():
        lines += _fit(name, fit)
    own = "".join(f", {name} {value:g}" for name, value in found.by_language.items())
    return (*lines, f"Threshold:  {found.threshold:g}{own}")


def _fit(name: str, one: Fit) -> Iterator[str]:
    yield (
        f"{name:<11} best {one.best:g} (90 % of resamples: {one.low:g} to {one.high:g}), AUC {one.auc:.3f}; chosen"
        f" {one.threshold:g}, {'the nearest of these to the default' if one.helps else 'the default: no other does better'};"
        f" balanced accuracy {one.before:.3f} before, {one.after:.3f} after"
    )
    yield "  threshold   refuses of what can be answered   of what must be refused"
    for beside in one.neighbours:
        yield f"  {beside.threshold:>9.3f}   {beside.answerable_refused:>32.1%}   {beside.unanswerable_refused:>22.1%}"
