"""Scores of one recorded outcome. Pure and deterministic: the same record has the same scores, whenever and wherever.

A scorer that does not apply to a case gives None, never 0. What could not be carried out scores 0 where an answer was
expected: a fault must not make a mean better.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from bot.evaluation.outcomes import RecordedAnswer, RecordedCitation, RecordedHit, Trial
from bot.evaluation.suite import Case
from bot.grounding import MARK, SentenceStream, support
from retrieval.documents import Hit
from retrieval.language import language

DEPTH = 10
"""Passages that are looked at, and nDCG's cutoff."""
_SPACE = re.compile(r"\s+")
_CJK = r"[\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff]"
_BESIDE_CJK = re.compile(rf"(?<={_CJK}) | (?={_CJK})")
_BORDERS = "/\\:#?!="
"""Between the parts of paths and links."""
_WITHOUT_SENSE = re.compile(r"[\W_]+")

Score = Callable[[Case, Sequence[RecordedHit], Trial], float | None]


@dataclass(frozen=True, slots=True)
class Scorer:
    """One score: its name, what people read, how it is computed. A `share` lies between 0 and 1, and more is better."""

    name: str
    label: str
    score: Score
    share: bool = True


def score(case: Case, hits: Sequence[RecordedHit], trial: Trial) -> Mapping[str, float | None]:
    """Every score of a case that was asked once; `hits` best first."""
    return {scorer.name: scorer.score(case, hits, trial) for scorer in SCORERS}


# --- retrieval -------------------------------------------------------------------------------------------------------


def relevance(hits: Sequence[RecordedHit], sources: Sequence[str]) -> list[int]:
    """1 for the first passage of each expected document, else 0: more passages of a document found bring nothing more."""
    left = list(sources)
    found = []
    for hit in hits[:DEPTH]:
        matching = next((source for source in left if names(source, hit.address, hit.title)), None)
        if matching is not None:
            left.remove(matching)
        found.append(int(matching is not None))
    return found


def names(source: str, address: str, title: str) -> bool:
    """Whether an expected source is this document: its title, its address, or whole parts at the end of its address."""
    return _named(_folded(source), _folded(address), _folded(title))


def absent(sources: Iterable[str], documents: Iterable[tuple[str, str]]) -> list[str]:
    """The expected sources that are none of these documents (address and title), each once, in their order."""
    known = [(_folded(address), _folded(title)) for address, title in documents]
    return [one for one in dict.fromkeys(sources) if not any(_named(_folded(one), *other) for other in known)]


def _named(wanted: str, whole: str, title: str) -> bool:
    if wanted in (whole, title):
        return True
    return whole.endswith(wanted) and (wanted[0] in _BORDERS or whole[-len(wanted) - 1] in _BORDERS)


def _hit_at(k: int) -> Score:
    def hit(case: Case, hits: Sequence[RecordedHit], _: Trial) -> float | None:
        return float(any(relevance(hits, case.source)[:k])) if case.source else None

    return hit


def _reciprocal_rank(case: Case, hits: Sequence[RecordedHit], _: Trial) -> float | None:
    if not case.source:
        return None
    return next((1 / rank for rank, found in enumerate(relevance(hits, case.source), 1) if found), 0.0)


def _ndcg(case: Case, hits: Sequence[RecordedHit], _: Trial) -> float | None:
    """Normalised discounted cumulative gain with binary gains (Järvelin & Kekäläinen 2002, as trec_eval computes it)."""
    if not case.source:
        return None
    ideal = sum(_discount(rank) for rank in range(1, min(len(case.source), DEPTH) + 1))
    return sum(found * _discount(rank) for rank, found in enumerate(relevance(hits, case.source), 1)) / ideal


def _discount(rank: int) -> float:
    return 1 / math.log2(rank + 1)


# --- the answer ------------------------------------------------------------------------------------------------------


def holds(text: str, accepted: Sequence[str]) -> bool:
    """Whether a text holds one of the strings: width of characters (NFKC), case and white space do not count.

    A string that begins or ends with a digit is not found within a longer number: 18 does not stand in 180 nor in 1.18.
    """
    said = plain(text)
    return any(re.search(_whole(plain(one)), said) for one in accepted)


def plain(text: str) -> str:
    """NFKC, case folded, white space one space, and none beside a Japanese character."""
    return _BESIDE_CJK.sub("", _SPACE.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip())


def _whole(wanted: str) -> str:
    before = r"(?<!\d)(?<!\d[.,])" if wanted[:1].isdigit() else ""
    after = r"(?!\d)(?![.,]\d)" if wanted[-1:].isdigit() else ""
    return before + re.escape(wanted) + after


def _answer(case: Case, _: Sequence[RecordedHit], trial: Trial) -> float | None:
    if not case.accepted:
        return None
    if trial.answer is None or trial.answer.refused:
        return 0.0
    text = trial.answer.text
    return float(holds(text, case.accepted) or holds(MARK.sub("", text), case.accepted))


def _citation(case: Case, _: Sequence[RecordedHit], trial: Trial) -> float | None:
    if not case.accepted:
        return None
    citations = trial.answer.citations if trial.answer else ()
    return float(any(holds(one.quote, case.accepted) for one in citations))


def _supported(_: Case, __: Sequence[RecordedHit], trial: Trial) -> float | None:
    if trial.answer is None or trial.answer.style in {"refusal", "courtesy"}:
        return None
    return float(not unsupported(trial.answer))


def unsupported(answer: RecordedAnswer) -> list[str]:
    """The sentences of an answer that no cited span says: neither word for word, nor by the rules of `bot/grounding.py`.

    Every term weighs the same there: how rare it is in the index is not in the record.
    """
    rest = answer.text
    for quote in sorted((one.quote for one in answer.citations), key=len, reverse=True):  # one may hold another
        rest = rest.replace(quote, "\n")
    headings = {plain(part) for one in answer.citations for part in (one.title, *one.heading)}
    cited = [_as_hit(one) for one in answer.citations]
    sentences = SentenceStream()
    claims = [*sentences.feed(rest), *sentences.finish()]
    return [
        claim.text
        for claim in claims
        if _WITHOUT_SENSE.sub("", claim.text)
        and not _is_heading(claim.text, headings)
        and not any(plain(claim.text) in plain(hit.text) for hit in cited)
        and support(claim, cited, lambda _: 1.0) is None
    ]


def _is_heading(line: str, headings: set[str]) -> bool:
    """Whether a line only shows what stands above the quote: "Travel › Hotels:"."""
    parts = [plain(part.strip(" *#:：")) for part in line.split("›")]
    return all(part in headings for part in parts)


def _as_hit(one: RecordedCitation) -> Hit:
    return Hit(
        document_id=one.document_id,
        chunk_id="",
        title=one.title,
        heading=one.heading,
        address=one.address,
        language=language(one.quote),
        line=1,
        page=None,
        start=one.start,
        end=one.start + len(one.quote),
        text=one.quote,
        score=0.0,
        words=0.0,
        similarity=None,
    )


def _refusal(case: Case, _: Sequence[RecordedHit], trial: Trial) -> float:
    return float(trial.answer is not None and trial.answer.refused == case.must_refuse)


def _language(case: Case, _: Sequence[RecordedHit], trial: Trial) -> float | None:
    """None where the language of question or answer cannot be told: a name, a number, a line of code."""
    expected = case.language or language(case.question)
    if not expected or trial.answer is None:
        return None
    said = MARK.sub("", trial.answer.text)
    for title in trial.answer.nearest:
        said = said.replace(title, "")
    found = language(said)
    return float(found == expected) if found else None


# --- what it cost ----------------------------------------------------------------------------------------------------


def _latency(_: Case, __: Sequence[RecordedHit], trial: Trial) -> float | None:
    return trial.ms if trial.answer is not None else None


def _tokens(_: Case, __: Sequence[RecordedHit], trial: Trial) -> float | None:
    """None where no model was run."""
    answer = trial.answer
    return float(answer.prompt_tokens + answer.completion_tokens) or None if answer is not None else None


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold().strip()


SCORERS = (
    Scorer("hit@1", "the first passage is of an expected document", _hit_at(1)),
    Scorer("hit@5", "one of the first five is", _hit_at(5)),
    Scorer("mrr", "reciprocal rank of the first that is", _reciprocal_rank),
    Scorer("ndcg@10", "nDCG of the expected documents", _ndcg),
    Scorer("answer", "the answer holds an accepted string", _answer),
    Scorer("citation", "a cited span holds it", _citation),
    Scorer("supported", "every sentence stands in a cited span", _supported),
    Scorer("refusal", "refused or answered as it should be", _refusal),
    Scorer("language", "the answer is in the question's language", _language),
    Scorer("latency_ms", "milliseconds until the answer was whole", _latency, share=False),
    Scorer("tokens", "tokens read and written by the model", _tokens, share=False),
)
SHARES = tuple(scorer.name for scorer in SCORERS if scorer.share)
"""Scores between 0 and 1, of which more is better."""
