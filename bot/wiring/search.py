"""The searcher of an installation, built from its settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.settings import Settings

if TYPE_CHECKING:
    from retrieval.index import Index
    from retrieval.reranking import Reranking
    from retrieval.search import Searcher


def make_searcher(
    settings: Settings, index: Index, *, generation: int | None = None, reranking: Reranking | None = None
) -> Searcher:
    """Searches the generation that answers, unless one is named. Raises GlossaryError for a glossary that is none."""
    from retrieval.glossary import load_glossary
    from retrieval.preference import Preference
    from retrieval.search import Searcher

    file = settings.search.glossary
    weights = {source.name: source.weight for source in settings.sources}
    return Searcher(
        index,
        generation=generation,
        glossary=load_glossary(file) if file else None,
        preference=Preference(settings.search.half_life_days, weights),
        reranking=reranking,
    )
