"""A run, or two beside each other, as one HTML page that needs nothing else. Questions, answers and names are escaped there.

Knows no folder: what is shown is handed in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from bot.evaluation import plots
from bot.evaluation.comparing import Change, Comparison, Difference, first_answer, said_of
from bot.evaluation.intervals import Interval
from bot.evaluation.outcomes import CaseRecord, RecordedAnswer, Trial
from bot.evaluation.runs import Run, Summary
from bot.evaluation.scorers import SCORERS, SHARES, unsupported
from bot.evaluation.suite import Case
from bot.report_page import STYLE, frame, shown_name, shown_text
from ingest.wording import counted
from retrieval.language import language

PAGE_STYLE = (
    STYLE
    + plots.STYLE
    + """
:root { --good: #1e7a3c; } @media (prefers-color-scheme: dark) { :root { --good: #7bd88f; } }
td, th { vertical-align: top; } thead th { color: var(--faint); } td.n { white-space: nowrap; } th.n { text-align: right; }
.wide { overflow-x: auto; } .wrap td { overflow-wrap: anywhere; } .good { color: var(--good); }
.said, .diff { white-space: pre-wrap; overflow-wrap: anywhere; border-left: 3px solid var(--line); padding-left: .8rem;
  margin: .4rem 0; } .diff { font-family: ui-monospace, monospace; font-size: .9em; }
details { margin: .3rem 0; } .case { border-top: 1px solid var(--line); padding: .3rem 0; content-visibility: auto;
  contain-intrinsic-size: auto 2.2rem; } h2 + .case { border-top: 0; }
.case > summary { font-weight: 600; overflow-wrap: anywhere; }
.two { display: grid; grid-template-columns: 1fr 1fr; gap: 1rem; } .two > div { min-width: 0; }
@media (max-width: 45rem) { .two { grid-template-columns: 1fr; } }
"""
)
LABELS = {scorer.name: scorer.label for scorer in SCORERS}
_FULL = 1.0
"""A share that could not be better."""
_RIGHT = ' class="n"'
MOST_OPENED = 50
"""Cases shown open, of many: a page of thousands of open ones would be no view of anything, and slow."""


def run_page(run: Run) -> str:
    """One run: scores with intervals, times, every case; those that fell short first, and opened."""
    short = [record for record in run.cases if _fell_short(record)]
    good = [record for record in run.cases if not _fell_short(record)]
    failed = f', <span class="bad">{counted(run.failed, "case")} with a fault</span>' if run.failed else ""
    parts = [
        f"<p>{shown_name(run.suite.name)}: {counted(len(run.cases), 'case')}, {counted(run.trials, 'trial')} each,"
        f" {run.started:%Y-%m-%d %H:%M:%S %Z}, {run.seconds:,.1f} s{failed}."
        f' <span class="faint">Run {shown_text(run.id)}</span></p>',
        "<h2>Scores</h2>",
        _scores(run.scores),
        _verdicts(run),
        "<h2>Time to the whole answer</h2>",
        plots.distribution([t.ms for record in run.cases for t in record.trials if t.answer is not None]),
        f"<h2>Cases that fell short ({len(short):,})</h2>",
        *(_case(record, short=True, opened=number < MOST_OPENED) for number, record in enumerate(short)),
        f"<h2>Cases without fault ({len(good):,})</h2>",
        *(_case(record, short=False) for record in good),
        "<h2>What was measured</h2>",
        _subject(run),
    ]
    return frame("An evaluation", parts, style=PAGE_STYLE)


def comparison_page(comparison: Comparison) -> str:
    """Two runs: differences with intervals, what the runs differ in, every case that came out differently."""
    a, b = comparison.a, comparison.b
    changes = comparison.changes
    parts = [
        f"<p>{shown_name(b.suite.name)}: {counted(comparison.same + len(changes), 'case')} in both runs,"
        f" {len(changes):,} came out differently.</p>",
        _table(
            (
                ("before", (a.id, f"{a.started:%Y-%m-%d %H:%M:%S %Z}")),
                ("after", (b.id, f"{b.started:%Y-%m-%d %H:%M:%S %Z}")),
            ),
            ("Which", "Run", "Begun"),
        ),
        "<h2>Scores</h2>",
        _differences(comparison),
        "<h2>What the runs differ in</h2>",
        _circumstances(comparison),
        _prompt(comparison),
        _lacking("Only in the first run", comparison.only_a),
        _lacking("Only in the second run", comparison.only_b),
        _lacking("Say something else in the second suite, and are not compared", comparison.rewritten),
        f"<h2>Cases that came out differently ({len(changes):,})</h2>",
        *(_changed(change, opened=number < MOST_OPENED) for number, change in enumerate(changes)),
    ]
    return frame("Two evaluations", parts, style=PAGE_STYLE)


# --- scores ----------------------------------------------------------------------------------------------------------


def value(name: str, number: float | None) -> str:
    """A score for people: shares with three digits, the rest whole."""
    if number is None:
        return "–"
    return f"{number:.3f}" if name in SHARES else f"{number:,.0f}"


def between(name: str, low: float | None, high: float | None) -> str:
    """An interval for people; nothing where one case tells nothing of it."""
    return "" if low is None or high is None else f"{value(name, low)} – {value(name, high)}"


def _scores(scores: Mapping[str, Summary]) -> str:
    rows = "".join(
        f'<tr><th scope="row">{name}</th><td class="n">{value(name, one.mean)}</td>'
        f'<td class="plot">{plots.share(_interval(one)) if name in SHARES else ""}</td>'
        f'<td class="n">{between(name, one.low, one.high)}</td><td class="n">{one.cases:,}</td>'
        f'<td class="faint">{LABELS.get(name, "")}</td></tr>'
        for name in LABELS
        if (one := scores.get(name)) is not None
    )
    return _numbers(("Score", "Mean", "0 to 1", "95 % interval", "Cases", "What it says"), rows)


def _verdicts(run: Run) -> str:
    if run.judged is None:
        return ""
    pin, one = run.judged.pin, run.judged.summary
    said = "no answer was weighed"
    if one is not None:
        said = f"{one.mean:.3f} ({between('answer', one.low, one.high) or 'one case'}; {counted(one.cases, 'case')})"
    return (
        f"<h2>The judge</h2><p>Apart from the scores: {said}, {counted(run.judged.unread, 'verdict')} could not be read."
        f' <span class="faint">{shown_text(pin.model)}, {shown_text(pin.model_sha256[:12])},'
        f" {shown_text(pin.prompt)}</span></p>"
    )


def _differences(comparison: Comparison) -> str:
    widest = max((_reach(one) for name, one in comparison.scores.items() if name in SHARES), default=0.0) or 1.0
    rows = [_difference(name, one, widest) for name, one in comparison.scores.items()]
    if comparison.judged is not None:
        rows.append(_difference("judge", comparison.judged, widest))
    head = ("Score", "Before", "After", "Change", "Less or more", "95 % interval", "Higher", "Lower")
    return (
        _numbers(head, "".join(rows))
        + '<p class="faint">Grey: chance alone may bring such a change (the interval holds 0, or few cases changed).</p>'
    )


def _numbers(heads: Sequence[str], rows: str) -> str:
    """A table of figures; heads of plots and texts stand at the left of their column."""
    at_left = {"Score", "0 to 1", "Less or more", "What it says"}
    cells = "".join(f'<th scope="col"{"" if head in at_left else _RIGHT}>{head}</th>' for head in heads)
    return f'<div class="wide"><table><thead><tr>{cells}</tr></thead>{rows}</table></div>'


def _difference(name: str, one: Difference, widest: float) -> str:
    share = name in SHARES or name == "judge"
    as_share = "answer" if share else name
    plot = plots.change(one.change, widest, sure=one.sure) if share else ""
    return (
        f'<tr><th scope="row">{name}</th><td class="n">{value(as_share, one.a)}</td><td class="n">{value(as_share, one.b)}</td>'
        f'<td class="n">{signed(as_share, one.change.mean)}</td><td class="plot">{plot}</td>'
        f'<td class="n">{between(as_share, one.change.low, one.change.high)}</td><td class="n">{one.higher:,}</td>'
        f'<td class="n">{one.lower:,}</td></tr>'
    )


def signed(name: str, number: float) -> str:
    """A difference for people."""
    return f"{'+' if number > 0 else ''}{value(name, number)}"


def _reach(one: Difference) -> float:
    return max(map(abs, (one.change.mean, one.change.low or 0.0, one.change.high or 0.0)))


def _interval(one: Summary) -> Interval:
    return Interval(one.mean, one.low, one.high, one.cases)


def _fell_short(record: CaseRecord) -> bool:
    return record.failed or any((record.mean(name) or 0.0) < _FULL for name in SHARES if record.values(name))


# --- cases -----------------------------------------------------------------------------------------------------------


def _case(record: CaseRecord, *, short: bool, opened: bool = False) -> str:
    """With the passages found where it fell short: of thousands of good ones they would make the page slow to open."""
    case = record.case
    told = [f'<span class="faint">{shown_text(case.id)} {" ".join(map(shown_text, case.tags))}</span>']
    if case.must_refuse:
        told.append("Must be refused.")
    if case.follows:
        told.append(f"After: {'; '.join(map(shown_name, case.follows))}.")
    if case.reference:
        told.append(f"Reference: {shown_name(case.reference)}.")
    if case.accepted:
        told.append(f"Accepted: {', '.join(map(shown_name, case.accepted))}.")
    if case.source:
        told.append(f"In: {', '.join(map(shown_name, case.source))}.")
    parts = [f"<p>{' '.join(told)}</p>", _case_scores(record)]
    if record.error:
        parts.append(f'<p class="bad">Search: {shown_text(record.error)}</p>')
    parts += [_trial(trial) for trial in record.trials]
    if short:
        parts.append(_hits(record))
    state = " open" if opened else ""
    return f'<details class="case"{state}><summary>{_question(case)}</summary>{"".join(parts)}</details>'


def _question(case: Case) -> str:
    """In its language: kanji have other forms in Japanese than a browser may choose."""
    spoken = language(case.question)
    return f'<bdi lang="{spoken}">{shown_text(case.question)}</bdi>' if spoken else shown_name(case.question)


def _case_scores(record: CaseRecord) -> str:
    told = (
        f'<span class="{"good" if mean >= _FULL else "bad"}">{name} {value(name, mean)}</span>'
        for name in SHARES
        if (mean := record.mean(name)) is not None
    )
    return f"<p>{' · '.join(told)}</p>"


def _trial(trial: Trial) -> str:
    if trial.answer is None:
        return f'<p class="bad">{shown_text(trial.error)}</p>'
    parts = [_answer(trial.answer)]
    if loose := unsupported(trial.answer) if not trial.answer.refused else []:
        listed = "".join(f"<li>{shown_text(sentence)}</li>" for sentence in loose)
        parts.append(f'<p class="bad">In no cited span:</p><ul>{listed}</ul>')
    if trial.verdict is not None:
        score = "no verdict" if trial.verdict.score is None else f"{trial.verdict.score:g}"
        parts.append(f'<p class="faint">The judge: {score}. {shown_text(trial.verdict.said)}</p>')
    return "".join(parts)


def _answer(answer: RecordedAnswer) -> str:
    cited = "".join(
        f'<li>[{one.n}] {shown_name(one.title)} <span class="faint">{shown_text(one.address)}</span></li>'
        for one in answer.citations
    )
    return f'<div class="said">{_lines(answer.text)}</div>' + (f"<ul>{cited}</ul>" if cited else "")


def _hits(record: CaseRecord) -> str:
    if not record.hits:
        return ""
    rows = "".join(
        f'<li>{shown_name(hit.title)} <span class="faint">{shown_text(hit.address)} {hit.score:.3f}</span></li>'
        for hit in record.hits
    )
    return f"<details><summary>{counted(len(record.hits), 'passage')} found</summary><ol>{rows}</ol></details>"


def _changed(change: Change, *, opened: bool) -> str:
    what = [f"{name} {value(name, one)} → {value(name, other)}" for name, (one, other) in change.flips.items()]
    what += change.others
    sides = "".join(f"<div>{_side(record)}</div>" for record in (change.a, change.b))
    state = " open" if opened and (change.flips or change.error) else ""
    return (
        f'<details class="case"{state}><summary>{_question(change.b.case)}</summary>'
        f'<p class="faint">{shown_text(change.b.case.id)}: {shown_text("; ".join(what))}</p>'
        f'<div class="two">{sides}</div></details>'
    )


def _side(record: CaseRecord) -> str:
    answer = first_answer(record)
    faults = [fault for fault in (record.error, *(trial.error for trial in record.trials)) if fault]
    told = "".join(f'<p class="bad">{shown_text(fault)}</p>' for fault in dict.fromkeys(faults))
    return told + (_answer(answer) if answer is not None else "") + _hits(record)


# --- circumstances ---------------------------------------------------------------------------------------------------


def _subject(run: Run) -> str:
    told = {**said_of(run.subject), "asked as": run.asked_as, "suite": f"{run.suite.name} {run.suite.sha256}"}
    table = _table((name, (text or "none",)) for name, text in told.items())
    text = run.subject.prompt_text
    return table + (f'<h3>The prompt</h3><div class="said">{_lines(text)}</div>' if text else "")


def _circumstances(comparison: Comparison) -> str:
    if not comparison.circumstances:
        return "<p>In nothing that is recorded: what differs is chance, or time.</p>"
    rows = ((name, (one or "none", other or "none")) for name, one, other in comparison.circumstances)
    return _table(rows, ("What", "Before", "After"))


def _prompt(comparison: Comparison) -> str:
    lines = comparison.prompt_diff
    return f'<h3>The prompt</h3><div class="diff">{_lines(chr(10).join(lines))}</div>' if lines else ""


def _table(rows: Iterable[tuple[str, tuple[str, ...]]], heads: Sequence[str] = ()) -> str:
    head = "".join(f'<th scope="col">{one}</th>' for one in heads)
    cells = (
        f'<tr><th scope="row">{shown_text(name)}</th>{"".join(f"<td>{shown_text(one)}</td>" for one in texts)}</tr>'
        for name, texts in rows
    )
    return f'<div class="wide wrap"><table>{f"<thead><tr>{head}</tr></thead>" if head else ""}{"".join(cells)}</table></div>'


def _lacking(said: str, ids: tuple[str, ...]) -> str:
    return f"<p>{said}: {', '.join(map(shown_text, ids))}.</p>" if ids else ""


def _lines(text: str) -> str:
    """Text whose line breaks are shown."""
    return "\n".join(shown_text(line) for line in text.replace("\t", "    ").splitlines())
