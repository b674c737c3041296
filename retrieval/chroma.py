"""Vectors in embedded Chroma: the only module that knows it. Holds vectors and chunk keys, never text.

One collection for each embedder fingerprint and set of readers, so that a search opens only what its principal may read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt

from retrieval.errors import DataFolderError, IndexDamaged

if TYPE_CHECKING:
    from chromadb.api.client import Client
    from chromadb.api.models.Collection import Collection

Vectors = npt.NDArray[np.float32]
"""Shape (rows, dimensions), each row of unit length."""


class VectorIndex:
    """Cosine search over named collections. Safe to use from several threads of the one process that holds the folder.

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
                f"The vector index in {path} does not open ({error}): delete that folder, run `kura repair`; no text is lost."
            ) from error
        self._path = path
        self._client = cast("Client", client)
        self._batch = self._client.get_max_batch_size()

    def upsert(self, collection: str, keys: Sequence[str], vectors: Vectors) -> None:
        """Store one vector for each key, replacing what stood under it."""
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
        with self._told():
            if self._open(collection) is not None:
                self._client.delete_collection(collection)

    def close(self) -> None:
        """Let go of the native index."""
        self._client.close()

    def _open(self, collection: str) -> Collection | None:
        import chromadb.errors

        try:
            return self._client.get_collection(collection, embedding_function=None)
        except chromadb.errors.NotFoundError:
            return None

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Chroma's faults as ours; all that its native part cannot do is one InternalError with a text."""
        import chromadb.errors

        try:
            yield
        except chromadb.errors.InternalError as error:
            if _disk_full(error):
                raise _full(self._path) from error
            raise IndexDamaged(
                f"The vector index in {self._path} fails ({error}): run `kura repair`, and if that fails too, delete that"
                " folder first; no text is lost."
            ) from error


def _disk_full(error: Exception) -> bool:
    return "disk is full" in str(error) or "No space left" in str(error)


def _full(path: Path) -> DataFolderError:
    return DataFolderError(
        f"The disk that holds {path} is full: free some space and try again; nothing stored was harmed."
    )


def as_vectors(rows: Sequence[Sequence[float]]) -> Vectors:
    """Rows of numbers to unit-length float32; a row of zeros stays zero."""
    vectors: Vectors = np.asarray(rows, dtype=np.float32)
    lengths: Vectors = np.linalg.norm(vectors, axis=1, keepdims=True).astype(np.float32)
    lengths[lengths == 0] = 1
    return np.divide(vectors, lengths, dtype=np.float32)
