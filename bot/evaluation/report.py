"""A run, or two beside each other, as one HTML page that needs nothing else. Questions, answers and names are escaped there.

Knows no folder: what is shown is handed in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bot.evaluation import plots
from bot.evaluation.comparing import Change, Comparison, Difference, first_answer
from bot.evaluation.intervals import Interval
from bot.evaluation.outcomes import CaseRecord, RecordedAnswer, Trial
from bot.evaluation.runs import Run, Summary
from bot.evaluation.scorers import SCORERS, SHARES, unsupported
from bot.report_page import STYLE, frame, shown_name, shown_text
from ingest.wording import counted

PAGE_STYLE = (
    STYLE
    + plots.STYLE
    + """
:root { --good: #1e7a3c; } @media (prefers-color-scheme: dark) { :root { --good: #7bd88f; } }
td, th { vertical-align: top; } thead th { color: var(--faint); } .said { white-space: pre-wrap; overflow-wrap: anywhere;
  border-left: 3px solid var(--line); padding-left: .8rem; margin: .4rem 0; } details { margin: .3rem 0; }
.two { display: grid; grid-template-columns: 1fr 1fr; gap: 1rem; } .good { color: var(--good); }
"""
)
LABELS = {scorer.name: scorer.label for scorer in SCORERS}
_FULL = 1.0
"""A share that could not be better."""


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
        *(_case(record, opened=True) for record in short),
        f"<h2>Cases without fault ({len(good):,})</h2>",
        *(_case(record) for record in good),
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
        "<table><thead><tr><th></th><th>Run</th><th>Begun</th></tr></thead>"
        f"<tr><th>before</th><td>{shown_text(a.id)}</td><td>{a.started:%Y-%m-%d %H:%M:%S %Z}</td></tr>"
        f"<tr><th>after</th><td>{shown_text(b.id)}</td><td>{b.started:%Y-%m-%d %H:%M:%S %Z}</td></tr></table>",
        "<h2>Scores</h2>",
        _differences(comparison),
        "<h2>What the runs differ in</h2>",
        _circumstances(comparison),
        _lacking("Only in the first run", comparison.only_a),
        _lacking("Only in the second run", comparison.only_b),
        _lacking("Say something else in the second suite, and are not compared", comparison.rewritten),
        f"<h2>Cases that came out differently ({len(changes):,})</h2>",
        *map(_changed, changes),
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
        f'<tr><th>{name}</th><td class="n">{value(name, one.mean)}</td>'
        f'<td class="plot">{plots.share(_interval(one)) if name in SHARES else ""}</td>'
        f'<td class="n">{between(name, one.low, one.high)}</td><td class="n">{one.cases:,}</td>'
        f'<td class="faint">{LABELS.get(name, "")}</td></tr>'
        for name in LABELS
        if (one := scores.get(name)) is not None
    )
    head = "<tr><th>Score</th><th>Mean</th><th></th><th>95 % interval</th><th>Cases</th><th></th></tr>"
    return f"<table><thead>{head}</thead>{rows}</table>"


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
    head = (
        "<tr><th>Score</th><th>Before</th><th>After</th><th>Change</th><th></th><th>95 % interval</th><th>Higher</th>"
        "<th>Lower</th></tr>"
    )
    return (
        f"<table><thead>{head}</thead>{''.join(rows)}</table>"
        '<p class="faint">Grey: chance alone may bring such a change (the interval holds 0, or few cases changed).</p>'
    )


def _difference(name: str, one: Difference, widest: float) -> str:
    share = name in SHARES or name == "judge"
    as_share = "answer" if share else name
    plot = plots.change(one.change, widest, sure=one.sure) if share else ""
    return (
        f'<tr><th>{name}</th><td class="n">{value(as_share, one.a)}</td><td class="n">{value(as_share, one.b)}</td>'
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


def _case(record: CaseRecord, *, opened: bool = False) -> str:
    case = record.case
    told = [f'<span class="faint">{shown_text(case.id)} {" ".join(map(shown_text, case.tags))}</span>']
    if case.must_refuse:
        told.append("Must be refused.")
    if case.accepted:
        told.append(f"Accepted: {', '.join(map(shown_name, case.accepted))}.")
    if case.source:
        told.append(f"In: {', '.join(map(shown_name, case.source))}.")
    parts = [f"<p>{' '.join(told)}</p>", _case_scores(record)]
    if record.error:
        parts.append(f'<p class="bad">Search: {shown_text(record.error)}</p>')
    parts += [_trial(trial) for trial in record.trials]
    parts.append(_hits(record))
    state = " open" if opened else ""
    return f"<details{state}><summary>{shown_name(case.question)}</summary>{''.join(parts)}</details>"


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


def _changed(change: Change) -> str:
    what = [f"{name} {value(name, one)} → {value(name, other)}" for name, (one, other) in change.flips.items()]
    what += change.others
    sides = "".join(f"<div>{_side(record)}</div>" for record in (change.a, change.b))
    opened = " open" if change.flips or change.error else ""
    return (
        f"<details{opened}><summary>{shown_name(change.b.case.question)}</summary>"
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
    subject = run.subject
    told = {
        "Kura": subject.kura,
        "model": f"{subject.model} {subject.model_sha256}",
        "style": subject.style,
        "prompt": subject.prompt,
        "embedder": subject.embedder,
        "generation of the index": str(subject.generation or "none"),
        "asked as": run.asked_as,
        "suite": f"{run.suite.name} {run.suite.sha256}",
        **{key: str(one) for key, one in subject.settings.items()},
    }
    return _table((name, (text,)) for name, text in told.items())


def _circumstances(comparison: Comparison) -> str:
    if not comparison.circumstances:
        return "<p>In nothing that is recorded: what differs is the documents, or chance.</p>"
    return _table((name, (one, other)) for name, one, other in comparison.circumstances)


def _table(rows: Iterable[tuple[str, tuple[str, ...]]]) -> str:
    cells = (
        f"<tr><th>{shown_text(name)}</th>{''.join(f'<td>{shown_text(one)}</td>' for one in texts)}</tr>"
        for name, texts in rows
    )
    return f"<table>{''.join(cells)}</table>"


def _lacking(said: str, ids: tuple[str, ...]) -> str:
    return f"<p>{said}: {', '.join(map(shown_text, ids))}.</p>" if ids else ""


def _lines(text: str) -> str:
    """Text whose line breaks are shown."""
    return "\n".join(shown_text(line) for line in text.replace("\t", "    ").splitlines())
