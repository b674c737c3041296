"""Opens an SQLite database and brings its schema to the newest revision. Knows no table.

Used for each database of the data folder; a package keeps its migrations in a folder of its own:
`env.py` and `versions/NNNN_name.py`, append-only, the revision being the file's stem.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, TextClause, bindparam, create_engine, event, text
from sqlalchemy.exc import DBAPIError

from retrieval.errors import DataFolderError, IndexDamaged

LEAST_FREE_BYTES = 2**20
"""With less free space than this an I/O error while opening means that the disk is full."""
BUSY_TIMEOUT_MS = 10_000
"""How long a writer waits for another one. Writes here take milliseconds; this long means that something hangs."""
_VALUES_PER_STATEMENT = 500
_Value = TypeVar("_Value")


def open_database(path: Path, migrations: Path) -> Engine:
    """Open (or create) the database at `path` and migrate it to the newest revision in `migrations`.

    Raises DataFolderError if the file cannot be opened, IndexDamaged if it is no SQLite database or comes from a newer Kura.
    """
    # An error names the statement and not its parameters: those are documents and questions.
    engine = create_engine(f"sqlite:///{path}", connect_args={"check_same_thread": False}, hide_parameters=True)
    event.listen(engine, "connect", _configure)
    revisions = sorted(file.stem for file in (migrations / "versions").glob("[0-9]*.py"))
    try:
        current = _revision(engine)
        if current not in revisions and current is not None:
            raise IndexDamaged(
                f"{path} was written by a newer version of Kura (schema {current}): install that version, or a newer one."
            )
        if current != revisions[-1]:
            _migrate(engine, migrations)
    except DBAPIError as error:
        engine.dispose()
        raise _opening_error(path, error) from error
    except BaseException:
        engine.dispose()
        raise
    return engine


@lru_cache(maxsize=1024)
def sql(statement: str, *lists: str) -> TextClause:
    """`text(statement)`, made once: an ingest executes few statements, each of them many thousand times.

    The parameters in `lists` take several values each, as in `id IN :ids`; `slices` keeps them few enough.
    """
    return text(statement).bindparams(*(bindparam(name, expanding=True) for name in lists))


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a statement that others are built around: its text, those parameters that are lists, and all values."""

    statement: str
    lists: tuple[str, ...]
    values: Mapping[str, object]


def slices(values: Sequence[_Value]) -> Iterator[Sequence[_Value]]:
    """The values in turn, as many at a time as one statement may name."""
    for at in range(0, len(values), _VALUES_PER_STATEMENT):
        yield values[at : at + _VALUES_PER_STATEMENT]


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """One snapshot: everything read inside belongs to the same state of the database."""
    with _told(engine), engine.connect() as connection:
        connection.exec_driver_sql("BEGIN")
        try:
            yield connection
        finally:
            connection.rollback()


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One transaction: all of it is kept, or nothing. Raises DataFolderError if another program keeps the database locked."""
    with _told(engine), engine.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        try:
            yield connection
        except BaseException:
            connection.rollback()
            raise
        connection.commit()


@contextmanager
def _told(engine: Engine) -> Iterator[None]:
    """What SQLite says of its file's surroundings, as ours; what it says of its content is translated at the edge."""
    try:
        yield
    except DBAPIError as error:
        primary = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF  # the higher bits only tell kinds of it apart
        if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise DataFolderError(
                f"{engine.url.database} is locked by another program: close whatever has it open, and try again; nothing"
                " stored was harmed."
            ) from error
        if primary == sqlite3.SQLITE_IOERR:
            raise DataFolderError(
                f"{engine.url.database} cannot be read or written ({error.orig}): see whether its disk is full or fails,"
                " and try again."
            ) from error
        raise


def _configure(raw: Any, _record: Any) -> None:
    # The driver must not begin transactions by itself: `reading` and `writing` do.
    raw.isolation_level = None
    for pragma in (
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "foreign_keys=ON",
        "secure_delete=ON",  # what is deleted is overwritten: it must not be found in the file again
        f"busy_timeout={BUSY_TIMEOUT_MS}",
    ):
        raw.execute(f"PRAGMA {pragma}")


def _revision(engine: Engine) -> str | None:
    with engine.connect() as connection:
        known = connection.execute(text("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'")).first()
        if known is None:
            return None
        row = connection.execute(text("SELECT version_num FROM alembic_version")).first()
        return None if row is None else str(row[0])


def _migrate(engine: Engine, migrations: Path) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    with writing(engine) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _opening_error(path: Path, error: DBAPIError) -> Exception:
    reason = str(error.orig)
    if isinstance(error.orig, sqlite3.DatabaseError) and ("not a database" in reason or "malformed" in reason):
        return IndexDamaged(
            f"{path} is not a readable SQLite database: restore it from a backup, or move it away and ingest again."
        )
    # On a disk without a free block SQLite cannot even make its shared-memory file, and calls that an I/O error.
    if "full" in reason or ("I/O" in reason and shutil.disk_usage(path.parent).free < LEAST_FREE_BYTES):
        return DataFolderError(
            f"The disk that holds {path} is full: free some space and try again; nothing stored was harmed."
        )
    return DataFolderError(f"{path} cannot be opened ({reason}): check the permissions of the data folder.")
