"""Whether the files that hits come from are still there, and as they were read. Knows no index and no file itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from bot.answers import Citation
from retrieval.documents import Hit


class Freshness(Protocol):
    """Looks at the files that hits come from; `ingest/freshness.py` does. Blocking."""

    def standing(self, hits: Sequence[Hit]) -> list[Hit]:
        """The hits whose files are still there."""

    def changed(self, hits: Sequence[Hit]) -> set[str]:
        """The documents (by id) that have changed since they were read; may read files, so only what is cited."""


def as_they_are(hits: Sequence[Hit], freshness: Freshness) -> list[Hit]:
    """The hits whose files are still there, those whose files have changed marked so. Blocking: it may read files."""
    standing = freshness.standing(hits)
    changed = freshness.changed(standing)
    return [replace(hit, changed=hit.document_id in changed) for hit in standing]


def marked(citations: Sequence[Citation], hits: Sequence[Hit], freshness: Freshness | None) -> list[Citation]:
    """The citations of some of the hits, those of files that have changed marked so. Blocking: it may read files."""
    cited = {one.document_id for one in citations}
    looked_at = [hit for hit in hits if hit.document_id in cited]
    changed = freshness.changed(looked_at) if freshness and looked_at else set()
    return [replace(one, changed=one.document_id in changed) for one in citations]
