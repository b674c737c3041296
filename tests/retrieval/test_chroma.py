from __future__ import annotations

from pathlib import Path

import chromadb
import chromadb.errors
import pytest

from retrieval.chroma import VectorIndex
from retrieval.errors import DataFolderError, IndexDamaged, RetrievalError
from retrieval.vectors import as_vectors


class FailingClient:
    """A Chroma whose native part fails at everything, with the text it was given."""

    def __init__(self, text: str) -> None:
        self._text = text

    def get_max_batch_size(self) -> int:
        return 100

    def __getattr__(self, name: str) -> object:
        raise chromadb.errors.InternalError(self._text)


@pytest.mark.parametrize(
    ("text", "kind", "says"),
    [
        ("error returned from database: (code: 13) database or disk is full", DataFolderError, "free some space"),
        ("error returned from database: (code: 11) malformed", IndexDamaged, "kura repair"),
    ],
)
def test_what_the_native_part_cannot_do_is_said_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, kind: type[RetrievalError], says: str
) -> None:
    monkeypatch.setattr(chromadb, "PersistentClient", lambda **_: FailingClient(text))
    vectors = VectorIndex(tmp_path / "chroma")
    row = as_vectors([[1.0, 0.0]])
    for work in (
        lambda: vectors.upsert("c", ["a"], row),
        lambda: vectors.query("c", row[0], 1),
        lambda: vectors.present("c", ["a"]),
        lambda: vectors.delete("c", ["a"]),
        lambda: vectors.keys("c"),
        vectors.collections,
        lambda: vectors.drop("c"),
    ):
        with pytest.raises(kind, match=says) as caught:
            work()
        assert str(tmp_path) in str(caught.value)


def test_the_nearest_vector_comes_first_with_its_cosine(tmp_path: Path) -> None:
    vectors = VectorIndex(tmp_path / "chroma")
    vectors.upsert("these", ["east", "north"], as_vectors([[2.0, 0.0], [0.0, 3.0]]))
    found = vectors.query("these", as_vectors([[1.0, 0.1]])[0], 5)
    assert [key for key, _ in found] == ["east", "north"]
    assert found[0][1] == pytest.approx(0.995, abs=1e-3)
    vectors.delete("these", ["east", "never stored"])
    assert vectors.keys("these") == {"north"}
    assert vectors.query("others", as_vectors([[1.0, 0.0]])[0], 5) == []
    vectors.close()
