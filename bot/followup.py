"""Makes a follow-up question stand alone, without a model. Pure.

A follow-up leans on the turn before it: it is short, begins like one, or points back with a pronoun. Such a question is
searched for together with the question it follows, and answered with what speaks to the follow-up itself, if anything does.
Any other is searched for by itself first.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from bot.evidence import Evidence
from bot.store import Turn
from retrieval.terms import content_terms, terms

_POINTS_BACK = re.compile(
    r"^\s*(and|but|or|so|then|also|what about|how about|what if|same)\b"
    r"|\b(it|its|that|this|those|these|they|them|their|there|one|ones|he|she|his|her|him)\b"
    r"|^(それ|これ|あれ|そこ|その|この|では|じゃあ|じゃ|で、|あと|また|ほか)|の場合は|についても",
    re.IGNORECASE,
)

FEW_TERMS = 2
"""A question with no more content terms than this says too little by itself."""


def queries(question: str, history: Sequence[Turn]) -> list[str]:
    """What to search for, in the order of trying: the first with sufficient evidence counts. Never empty."""
    if not history:
        return [question]
    together = f"{history[-1].query} {question}"
    if _POINTS_BACK.search(question) or len(content_terms(question)) <= FEW_TERMS:
        return [together, question]
    return [question, together]


def focus(together: Evidence, alone: Evidence, question: str) -> Evidence:
    """The evidence for a follow-up: sufficient as the two questions `together` have it, its spans those that the follow-up
    `alone` picks, if one of them holds a term of it."""
    wanted = set(content_terms(question))
    said = {
        term
        for span in alone.spans
        for term in terms(span.hit.text[span.start - span.hit.start : span.end - span.hit.start])
    }
    return Evidence(alone.spans, together.score) if wanted & said else together
