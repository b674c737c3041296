"""Vectors in embedded Chroma: the only module that knows it. Holds vectors and chunk keys, never text.

One collection for each generation and set of readers, so that a search opens only what its principal may read. At a clean
close the files are sealed (`chroma.seal`): what they were like, so that the next opening knows whether anything happened to
them since. What to do then is `retrieval/probing.py`'s.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

from retrieval.errors import DataFolderError, IndexDamaged
from retrieval.vectors import Vectors

if TYPE_CHECKING:
    from chromadb.api.client import Client
    from chromadb.api.models.Collection import Collection

_Looks = dict[str, tuple[int, int, int]]
"""Of each file by its path: bytes, and the times of its last change of content and of anything, in nanoseconds."""


def as_left(path: Path) -> bool:
    """Whether a folder's files are as the last clean close left them."""
    looks = _looks(path)
    return bool(looks) and looks == _sealed(path)


class VectorIndex:
    """Cosine search over named collections. Safe to use from several threads of the one process that holds the folder.

    Files that are damaged can crash the process: `probing.open_vectors` opens only what was looked at before.
    Every method raises DataFolderError if the disk is full, and IndexDamaged if Chroma fails otherwise.
    """

    def __init__(self, path: Path) -> None:
        import chromadb
        from chromadb.config import Settings

        try:
            client = chromadb.PersistentClient(
                path=str(path), settings=Settings(anonymized_telemetry=False, is_persistent=True)
            )
        except Exception as error:
            if _disk_full(error):
                raise _full(path) from error
            raise IndexDamaged(
                f"The vector index in {path} does not open ({error}): run `kura repair`; no text is lost."
            ) from error
        self._path = path
        self._failed = False
        self._client = cast("Client", client)
        self._batch = self._client.get_max_batch_size()

    def upsert(self, collection: str, keys: Sequence[str], vectors: Vectors) -> None:
        """Store one vector for each key, replacing what stood under it."""
        self._break_seal()
        with self._told():
            target = self._client.get_or_create_collection(
                collection, embedding_function=None, configuration={"hnsw": {"space": "cosine"}}
            )
            for at in range(0, len(keys), self._batch):
                target.upsert(ids=list(keys[at : at + self._batch]), embeddings=vectors[at : at + self._batch])

    def query(self, collection: str, vector: Vectors, k: int) -> list[tuple[str, float]]:
        """The `k` nearest keys with their cosine similarity (-1..1), best first; nothing if there is no such collection."""
        with self._told():
            found = self._open(collection)
            size = 0 if found is None else found.count()
            if found is None or size == 0:
                return []
            answer = found.query(query_embeddings=vector.reshape(1, -1), n_results=min(k, size), include=["distances"])
        distances = answer["distances"] or [[]]
        return [(key, 1.0 - float(distance)) for key, distance in zip(answer["ids"][0], distances[0], strict=True)]

    def own_similarities(self, collection: str, vectors: Vectors) -> list[float]:
        """For each row the cosine similarity (-1..1) of what is nearest to it: 1 if it is stored and can be found."""
        with self._told():
            found = self._open(collection)
            if found is None or len(vectors) == 0:
                return [-1.0] * len(vectors)
            answer = found.query(query_embeddings=vectors, n_results=1, include=["distances"])
        return [1.0 - float(row[0]) if row else -1.0 for row in answer["distances"] or []]

    def stored(self, collection: str, keys: Sequence[str]) -> dict[str, Vectors]:
        """The vectors of those of `keys` that are there."""
        import numpy as np

        stored: dict[str, Vectors] = {}
        with self._told():
            found = self._open(collection)
            if found is None:
                return stored
            for at in range(0, len(keys), self._batch):
                got = found.get(ids=list(keys[at : at + self._batch]), include=["embeddings"])
                rows = got["embeddings"]
                stored.update(zip(got["ids"], [] if rows is None else np.asarray(rows, dtype=np.float32), strict=True))
        return stored

    def present(self, collection: str, keys: Sequence[str]) -> set[str]:
        """Those of `keys` that are stored."""
        present: set[str] = set()
        with self._told():
            found = self._open(collection)
            if found is None:
                return present
            for at in range(0, len(keys), self._batch):
                present.update(found.get(ids=list(keys[at : at + self._batch]), include=[])["ids"])
        return present

    def delete(self, collection: str, keys: Sequence[str]) -> None:
        """Remove keys; those that are not there are passed over."""
        self._break_seal()
        with self._told():
            found = self._open(collection)
            if found is None:
                return
            for at in range(0, len(keys), self._batch):
                found.delete(ids=list(keys[at : at + self._batch]))

    def keys(self, collection: str) -> set[str]:
        """Every key of a collection."""
        with self._told():
            found = self._open(collection)
            return set() if found is None else set(found.get(include=[])["ids"])

    def collections(self) -> set[str]:
        """Names of all collections."""
        with self._told():
            return {collection.name for collection in self._client.list_collections()}

    def drop(self, collection: str) -> None:
        """Remove a whole collection, if it is there."""
        self._break_seal()
        with self._told():
            if self._open(collection) is not None:
                self._client.delete_collection(collection)

    def close(self) -> None:
        """Let go of the native index, and seal its files unless it failed. Harmless when done twice."""
        self._client.close()
        if not self._failed and not as_left(self._path):
            _seal(self._path)

    def _break_seal(self) -> None:
        _seal_file(self._path).unlink(missing_ok=True)

    def _open(self, collection: str) -> Collection | None:
        import chromadb.errors

        try:
            return self._client.get_collection(collection, embedding_function=None)
        except chromadb.errors.NotFoundError:
            return None

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Chroma's faults as ours; what its native part cannot do is mostly one InternalError with a text."""
        import chromadb.errors

        try:
            yield
        except chromadb.errors.ChromaError as error:
            self._failed = True  # whoever opens it next looks closer
            self._break_seal()
            if _disk_full(error):
                raise _full(self._path) from error
            raise IndexDamaged(
                f"The vector index in {self._path} fails ({error}): run `kura repair`; no text is lost."
            ) from error


def _seal_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.seal")


def _looks(path: Path) -> _Looks:
    found: _Looks = {}
    for file in sorted(path.rglob("*")):
        state = file.lstat()
        if not file.is_dir():
            # the last change of anything too: unlike the other time it cannot be set
            found[file.relative_to(path).as_posix()] = (state.st_size, state.st_mtime_ns, state.st_ctime_ns)
    return found


def _sealed(path: Path) -> _Looks | None:
    try:
        written = json.loads(_seal_file(path).read_bytes())
        return {str(name): (int(size), int(at), int(any_)) for name, (size, at, any_) in written.items()}
    except (OSError, ValueError, TypeError, AttributeError):  # none, or a broken one: not as it was left
        return None


def _seal(path: Path) -> None:
    """Write down what the files are like, once they are on the disk: a seal must not outlive what it says."""
    file, before = _seal_file(path), _sealed(path) or {}
    looks = _looks(path)
    try:
        for name, look in looks.items():
            if before.get(name) != look:
                _to_disk(path / name)
        new = file.with_suffix(".seal-new")
        new.write_text(json.dumps(looks), encoding="utf-8")
        new.chmod(0o600)
        new.replace(file)
    except OSError:  # a full disk, say: without a seal the next opening looks closer, and that is all
        file.unlink(missing_ok=True)


def _to_disk(file: Path) -> None:
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _disk_full(error: Exception) -> bool:
    return "disk is full" in str(error) or "No space left" in str(error)


def _full(path: Path) -> DataFolderError:
    return DataFolderError(
        f"The disk that holds {path} is full: free some space and try again; nothing stored was harmed."
    )
