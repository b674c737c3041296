"""What a question may be, and what of it is said to Kura and not asked: its filters. Knows no front end and no search."""

from __future__ import annotations

from bot.errors import BadQuestion
from retrieval.filters import NO_FILTERS, Filters, read_filters

MAX_QUESTION = 4_000
"""Characters; a longer text is a document, not a question."""


def read_question(text: str, filters: Filters = NO_FILTERS) -> tuple[str, Filters]:
    """A question without the filters that stand in it, and those together with the ones given beside it.

    Raises BadQuestion for a text that is no question, BadFilter for filters that no document can fit.
    """
    if not text.strip():
        raise BadQuestion("The question is empty: ask something.")
    if len(text) > MAX_QUESTION:
        raise BadQuestion(
            f"The question has {len(text):,} characters; at most {MAX_QUESTION:,} are read: shorten it, or ingest long texts"
            " as documents."
        )
    asked, found = read_filters(text)
    if not asked:
        raise BadQuestion(f"The question is nothing but {found}: write beside it what to search for.")
    return asked, filters & found
