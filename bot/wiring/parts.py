"""The parts of an installation, for whoever looks at them one by one (`bot/inspection.py`)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from bot.inspection import Parts
from bot.settings import Settings
from bot.wiring import listen
from bot.wiring.embedders import made_index, make_embedder
from bot.wiring.models import engine_options, running_card, speed_book
from bot.wiring.rerankers import make_file_reranker
from models.rerank import Reranker


def make_parts(settings: Settings) -> Parts:
    """Nothing is made yet."""
    return Parts(
        model=lambda: running_card(settings),
        speed=lambda card: speed_book(settings).get(card, engine_options(settings, card, alone=False)),
        embedder=lambda: make_embedder(settings),
        made_index=lambda fingerprint: made_index(settings, fingerprint),
        listening=lambda: listen(settings.server.host, settings.server.port),
        reranker=lambda: _reranker(settings),
    )


@contextmanager
def _reranker(settings: Settings) -> Iterator[Reranker | None]:
    with ExitStack() as stack:
        yield make_file_reranker(settings, stack)
