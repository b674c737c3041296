"""The child that looks at Chroma's files in a parent's place; `retrieval/probing.py` starts it. Whatever it dies of is an answer.

Arguments: Chroma's folder, the database, "deep" or "sample", the parent's process, the folder's bytes. Prints the faults as
JSON. Changes nothing that Chroma itself does not change when it opens.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import sqlite3
import sys
from contextlib import closing
from dataclasses import astuple
from pathlib import Path

from models.offline import forbid_telemetry
from retrieval.checking import Fault, vector_faults
from retrieval.chroma import VectorIndex
from retrieval.database import open_database, reading
from retrieval.errors import DataFolderError, IndexDamaged, RetrievalError
from retrieval.index import MIGRATIONS
from retrieval.probing import REFUSED

MEMORY_BYTES = 8 * 2**30
"""Address space of an index without vectors; libraries reserve much and use little of it."""
MEMORY_TIMES = 8
"""How often an index may stand in memory."""
_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> int:
    """Look, and print what is found; the exit status."""
    path, database, how, parent, size = arguments
    _limit(int(parent), int(size))
    forbid_telemetry(os.environ)
    try:
        engine = open_database(Path(database), MIGRATIONS)
    except RetrievalError as error:
        sys.stdout.write(str(error))
        return REFUSED
    try:
        index = VectorIndex(Path(path))  # before SQLite's check: it rolls back what a killed process left
        with reading(engine) as connection:
            faults = [*vector_faults(connection, index, deep=how == "deep"), *_file_faults(Path(path))]
    except DataFolderError as error:
        sys.stdout.write(str(error))
        return REFUSED
    except IndexDamaged as error:
        sys.stderr.write(f"{error.__cause__ or error}\n")
        return 1
    sys.stdout.write(json.dumps([astuple(one) for one in faults]))
    sys.stdout.flush()
    os._exit(0)  # not by way of native destructors, and without a seal: the parent's own close makes that


def _file_faults(path: Path) -> list[Fault]:
    """What SQLite finds in Chroma's own database, pages that no look at vectors comes by included."""
    with closing(sqlite3.connect(f"file:{path / 'chroma.sqlite3'}?mode=ro", uri=True)) as connection:
        said = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    return [] if said == "ok" else [Fault("vectors", f"Chroma's database is damaged ({said})")]


def _limit(parent: int, size: int) -> None:
    """End with the parent, leave no memory image of the index on the disk, and never take all of the memory."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    most = MEMORY_BYTES + MEMORY_TIMES * size
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    if hard == resource.RLIM_INFINITY or hard > most:
        resource.setrlimit(resource.RLIMIT_AS, (most, hard))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it was gone before that
        os._exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
