"""The SQL of what could not be read: an item of a source, the bytes it had, and why. Holds no text of documents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection

from retrieval.database import sql


@dataclass(frozen=True, slots=True)
class Unread:
    """Why an item could not be read, and of which bytes and by which recipe that is true."""

    source_version: str
    content_sha256: str
    recipe: str
    reason: str


def unread(connection: Connection, source_id: int) -> dict[str, Unread]:
    """What of a source could not be read, by item."""
    statement = sql("SELECT item, source_version, content_sha256, recipe, reason FROM unread WHERE source_id = :s")
    return {
        row.item: Unread(row.source_version, row.content_sha256, row.recipe, row.reason)
        for row in connection.execute(statement, {"s": source_id})
    }


def put_unread(connection: Connection, source_id: int, items: Mapping[str, Unread]) -> None:
    """Note what of a source cannot be read, in place of what was noted before."""
    connection.execute(sql("DELETE FROM unread WHERE source_id = :s"), {"s": source_id})
    if items:
        values = [
            {
                "s": source_id,
                "item": item,
                "version": one.source_version,
                "sha": one.content_sha256,
                "recipe": one.recipe,
                "reason": one.reason,
            }
            for item, one in items.items()
        ]
        connection.execute(sql("INSERT INTO unread VALUES (:s, :item, :version, :sha, :recipe, :reason)"), values)
