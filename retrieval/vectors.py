"""Vectors as the index takes, keeps and compares them: rows of float32, of unit length. Knows no store and no embedder.

numpy is imported when the first vector is touched: a sync in which nothing changed touches none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Vectors: TypeAlias = "npt.NDArray[np.float32]"
"""Shape (n, dimensions), or (dimensions,) where it is one."""


def as_vectors(rows: Sequence[Sequence[float]]) -> Vectors:
    """Rows of numbers to unit-length float32; a row of zeros stays zero."""
    import numpy as np

    vectors: Vectors = np.asarray(rows, dtype=np.float32)
    lengths: Vectors = np.linalg.norm(vectors, axis=1, keepdims=True).astype(np.float32)
    lengths[lengths == 0] = 1
    return np.divide(vectors, lengths, dtype=np.float32)


def stacked(rows: Sequence[Vectors]) -> Vectors:
    """Single vectors as rows; at least one."""
    import numpy as np

    return np.stack(rows)


def to_bytes(vector: Vectors) -> bytes:
    """One vector as the authority keeps it: little-endian, whatever machine wrote it."""
    return vector.astype("<f4").tobytes()


def from_bytes(kept: bytes) -> Vectors:
    """The inverse of `to_bytes`; read-only."""
    import numpy as np

    return np.frombuffer(kept, dtype="<f4")


def same(one: Vectors, other: Vectors, tolerance: float) -> bool:
    """Whether two vectors differ by no more than `tolerance` in any number."""
    import numpy as np

    return one.shape == other.shape and bool(np.allclose(one, other, rtol=0, atol=tolerance))
