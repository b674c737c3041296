from __future__ import annotations

import errno
import inspect
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from bot import errors
from bot.errors import BadQuestion, NotAllowed, Overloaded, SettingsError, explain
from ingest import errors as ingest_errors
from models import errors as model_errors
from models.errors import EngineBusy, ModelFileError
from retrieval import errors as retrieval_errors
from retrieval import generations, words
from retrieval.access import Readers
from retrieval.authority import ensure_reader_set
from retrieval.database import open_database, writing
from retrieval.errors import DataFolderHeld, NotFound
from retrieval.index import MIGRATIONS
from retrieval.terms import ChunkWords

OURS = [
    kind
    for module in (errors, ingest_errors, model_errors, retrieval_errors)
    for _, kind in inspect.getmembers(module, inspect.isclass)
    if issubclass(kind, Exception) and kind.__module__ == module.__name__
]


@pytest.mark.parametrize("kind", [kind for kind in OURS if kind is not DataFolderHeld])
def test_every_error_of_ours_is_explained_by_its_own_sentence(kind: type[Exception]) -> None:
    explained = explain(kind("The thing is broken: mend it."))
    assert explained.known
    assert explained.sentence == "The thing is broken: mend it."
    assert explained.status >= 400
    assert explained.exit_code in {1, 2}


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (BadQuestion("x"), 422, 2),
        (NotAllowed("x"), 401, 1),
        (NotFound("x"), 404, 1),
        (Overloaded("x"), 503, 1),
        (EngineBusy("x"), 503, 1),
        (SettingsError("x"), 500, 2),
        (ModelFileError("x"), 500, 1),
        (KeyboardInterrupt(), 499, 130),
    ],
)
def test_status_and_exit_code(error: BaseException, status: int, code: int) -> None:
    assert (explain(error).status, explain(error).exit_code) == (status, code)


def test_an_unforeseen_fault_shows_nothing_of_itself() -> None:
    explained = explain(RuntimeError("the secret of /etc/kura"))
    assert not explained.known
    assert "secret" not in explained.sentence


def test_faults_of_the_installation_are_not_described_over_the_network() -> None:
    fault = explain(ModelFileError("/srv/models/m.gguf is truncated."))
    assert "/srv" in fault.sentence
    assert "/srv" not in fault.public
    assert explain(NotFound("There is no document x.")).public == "There is no document x."


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, "No space left on device"), sqlite3.OperationalError("database or disk is full")],
)
def test_a_full_disk_is_said_even_when_something_else_wrapped_it(error: Exception) -> None:
    wrapped = RuntimeError("write failed")
    wrapped.__cause__ = error
    assert "disk is full" in explain(wrapped).sentence
    assert explain(wrapped).status == 507


def fault_of(database: Path, statement: str, values: dict[str, object] | None = None) -> Exception:
    engine = open_database(database, MIGRATIONS)
    try:
        with pytest.raises(DBAPIError) as caught, writing(engine) as connection:
            connection.execute(text(statement), values)
    finally:
        engine.dispose()
    return caught.value


def test_a_damaged_database_is_a_known_fault_with_the_next_step(tmp_path: Path) -> None:
    engine = open_database(tmp_path / "a.db", MIGRATIONS)
    with writing(engine) as connection:
        readers = ensure_reader_set(connection, Readers(frozenset({"all"})))
        made = generations.add(connection, fingerprint="f", recipe="", embedder="")
        table = words.WordTable(made.id, readers)
        words.ensure(connection, table)
        words.insert(connection, table, [(1, ChunkWords("pay", "", "secret"))])
    with writing(engine) as connection:  # FTS5 writes its pages at the end of a transaction
        connection.exec_driver_sql("DELETE FROM words_1_1_data WHERE id > 10")
    engine.dispose()
    explained = explain(fault_of(tmp_path / "a.db", "SELECT * FROM words_1_1 WHERE words_1_1 MATCH 'secret'"))
    assert explained.known
    assert "kura repair" in explained.sentence
    assert explained.names_insides


def test_a_database_fault_of_another_kind_stays_unforeseen_and_holds_no_text_of_documents(tmp_path: Path) -> None:
    values = {"key": "k", "value": "the salary of Mori"}
    fault = fault_of(tmp_path / "a.db", "INSERT INTO state VALUES (:key, :value), (:key, :value)", values)
    assert not explain(fault).known
    assert "Mori" not in str(fault)


def test_text_that_no_file_can_hold_is_wrong_usage() -> None:
    with pytest.raises(UnicodeEncodeError) as caught:
        "caf\udce9".encode()
    assert (explain(caught.value).known, explain(caught.value).exit_code) == (True, 2)
