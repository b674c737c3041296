"""Opens Chroma so that damaged files cost time and nothing else: neither the process nor an answer.

Files that are not as the last clean close left them are first looked at by a child process (`retrieval/probing_child.py`),
which may crash, hang or eat memory in our place. If it does, or finds that vectors are lost or altered, the folder is moved
aside and the vectors are made anew from those the authority keeps: no text is embedded, no source is read. What was moved
aside may hold vectors of texts that are deleted later: it goes with the next purge of deleted text, `kura repair` included.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine

import retrieval
from retrieval import authority, generations
from retrieval.chroma import VectorIndex, as_left
from retrieval.database import reading, slices, sql
from retrieval.errors import DataFolderError, IndexDamaged
from retrieval.generations import Generation
from retrieval.vectors import Vectors, from_bytes, stacked

if TYPE_CHECKING:
    from retrieval.checking import Fault

COMMAND = (sys.executable, "-P", "-m", "retrieval.probing_child")
"""`-P`: the working folder is no place to import from."""
PROBE_S = 60.0
"""Seconds a look at a small index may take: ten times what it takes on a slow machine."""
SLOWEST_BYTES_PER_S = 5 * 2**20
"""How fast a large index is looked at, at least."""
REFUSED = 3
"""Exit status of a child that says that it is not Chroma's files that fail; its sentence is its output."""
_SHOWN = 200
"""Characters of what a child said last."""
_log = logging.getLogger(__name__)


class Unsound(Exception):
    """Chroma's files cannot be used; says how."""


def open_vectors(path: Path, engine: Engine, *, always: bool = False, timeout_s: float = PROBE_S) -> VectorIndex:
    """Chroma in the folder `path`, fit to answer from; mended first if it is not, which is logged.

    Costs a few looks at files when all is well, and a child's start when the last process that had it did not end well;
    with `always`, every time. Raises DataFolderError, IndexDamaged.
    """
    why = "" if path.exists() else "its folder is not there"
    if path.exists() and (always or not as_left(path)):
        why = _unsound(path, engine, timeout_s)
    if not why:
        return VectorIndex(path)
    kept = quarantine(path)
    index = VectorIndex(path)
    try:
        count = _fill(index, engine)
    except BaseException:
        index.close()
        raise
    if count or kept:
        aside = f"; the former files are kept in {kept} until deleted text is next purged" if kept else ""
        _log.warning(
            "The vector index in %s could not be used (%s): the vectors of %d passages were made anew from those stored%s.",
            path,
            why,
            count,
            aside,
        )
    return index


def probe(path: Path, database: Path, *, deep: bool, timeout_s: float = PROBE_S) -> list[Fault]:
    """Have a child compare Chroma in `path` with the authority: a sample of vectors, or with `deep` all.

    Raises Unsound if the child does not survive it, DataFolderError, IndexDamaged for what is not the files' fault.
    """
    from retrieval.checking import Fault

    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    arguments = [str(path), str(database), "deep" if deep else "sample", str(os.getpid()), str(size)]
    patience = timeout_s + size / SLOWEST_BYTES_PER_S
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter and module
            [*COMMAND, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=patience,
            env=_environment(),
            cwd="/",
            process_group=0,  # Ctrl-C goes to a terminal's whole group, and is the parent's affair
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Unsound(f"it did not open within {patience:.0f} s") from None
    except OSError as error:
        raise DataFolderError(
            f"The vector index in {path} cannot be looked at ({error.strerror}): free some memory and try again."
        ) from error
    said = done.stdout.decode("utf-8", "replace").strip()
    if done.returncode == REFUSED:
        raise DataFolderError(said)
    if done.returncode < 0:
        raise Unsound(f"it crashes Chroma ({_signal(-done.returncode)})")
    try:
        return [Fault(kind, str(sentence)) for kind, sentence in json.loads(said if done.returncode == 0 else "")]
    except (ValueError, TypeError):
        last = done.stderr.decode("utf-8", "replace").strip().rsplit("\n", 1)[-1][:_SHOWN]
        raise Unsound(f"Chroma fails: {last or f'it ended with status {done.returncode}'}") from None


def misleading(faults: Iterable[Fault]) -> str:
    """What of the faults makes an answer wrong, in one line; "" if nothing does: a surplus is never shown."""
    return " ".join("; ".join(one.sentence for one in faults if one.kind == "vectors").split())


def quarantine(path: Path) -> Path | None:
    """Move Chroma's folder aside, readable by its owner alone; None if there is none. One such folder is kept."""
    if not path.exists():
        return None
    discard_quarantined(path)
    aside = path.with_name(f"{path.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    try:
        path.rename(aside)
        aside.chmod(0o700)
    except OSError as error:
        raise DataFolderError(
            f"The damaged vector index {path} cannot be moved aside ({error.strerror}): check the data folder's permissions."
        ) from error
    return aside


def quarantined(path: Path) -> list[Path]:
    """What was moved aside of Chroma's folder `path`."""
    return list(path.parent.glob(f"{path.name}.damaged-*"))


def discard_quarantined(path: Path) -> None:
    """Delete what was moved aside of Chroma's folder `path`."""
    for one in quarantined(path):
        try:
            shutil.rmtree(one)
        except OSError as error:
            raise DataFolderError(
                f"{one} cannot be deleted ({error.strerror}): delete it by hand, it may hold vectors of deleted text."
            ) from error


def stored_vectors(connection: Connection, generation: Generation, keys: Sequence[str]) -> dict[str, Vectors]:
    """The authority's vectors of chunks, by key; those it lacks are left out. At most a slice of keys."""
    statement = sql(
        "SELECT c.key, x.vector FROM chunks c JOIN vectors x"
        " ON x.fingerprint = :f AND x.embedded_sha256 = c.embedded_sha256 WHERE c.key IN :keys",
        "keys",
    )
    rows = connection.execute(statement, {"f": generation.fingerprint, "keys": list(keys)})
    return {row.key: from_bytes(row.vector) for row in rows}


# --- the steps ---


def _unsound(path: Path, engine: Engine, timeout_s: float) -> str:
    """Why the files cannot be answered from; "" if they can."""
    try:
        found = probe(path, Path(str(engine.url.database)), deep=False, timeout_s=timeout_s)
    except Unsound as error:
        return str(error)
    return misleading(found)


def _fill(index: VectorIndex, engine: Engine) -> int:
    """Every live vector of every generation, from the authority; returns how many. What lacks one is `kura verify`'s."""
    count = 0
    with reading(engine) as connection:
        for generation in generations.every(connection):
            for reader_set in authority.reader_sets(connection):
                live = sorted(generations.live_chunks(connection, generation, reader_set).values())
                for page in slices(live):
                    found = stored_vectors(connection, generation, page)
                    if found:
                        index.upsert(generation.collection(reader_set), list(found), stacked(list(found.values())))
                        count += len(found)
                    if lost := found.keys() - index.present(generation.collection(reader_set), list(found)):
                        raise IndexDamaged(
                            f"The vector index lost {len(lost)} of {len(found)} vectors just written: check the disk."
                        )
    return count


def _signal(number: int) -> str:
    return signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"


def _environment() -> dict[str, str]:
    """The parent's, with its import path, so that the child finds this package and no other."""
    ours = str(Path(retrieval.__file__ or "").parent.parent)
    path = os.pathsep.join(str(Path(entry or ours).absolute()) for entry in sys.path)
    return {**os.environ, "PYTHONPATH": path, "PYTHONWARNINGS": "ignore", "RUST_BACKTRACE": "0"}
