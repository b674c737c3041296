"""A small company with departments enough to calibrate on; its words are made up, so that no two documents share them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from ingest.fakes import InlineParser
from ingest.folders import Folders
from ingest.sync import Ingestor
from models.fakes import HashingEmbeddings
from retrieval.access import Readers
from retrieval.index import Index

_SYLLABLES = "ba ce di fo gu ha je ki lo mu na pe qui ro su ta ve wi xo zu".split()


def word(rng: Random) -> str:
    return "".join(rng.choice(_SYLLABLES) for _ in range(3))


def article(rng: Random) -> tuple[str, str]:
    """Title and text."""
    title = f"{word(rng).capitalize()} department"
    sentences = [
        f"The {word(rng)} {word(rng)} of the {word(rng)} costs {rng.randint(11, 990)} {word(rng)} and needs a {word(rng)}."
        for _ in range(6)
    ]
    body = "\n\n".join(f"## {word(rng).capitalize()}\n\n{one}" for one in sentences)
    return title, f"# {title}\n\n{body}\n"


def write_company(folder: Path, documents: int, seed: int = 1) -> None:
    rng = Random(seed)  # noqa: S311
    folder.mkdir(parents=True)
    for number in range(documents):
        (folder / f"{number:02d}.md").write_text(article(rng)[1], encoding="utf-8")


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Callable[[int], Index]]:
    """Make an index of so many documents, a third of which only the board may read."""
    opened: list[Index] = []

    def make(documents: int) -> Index:
        (tmp_path / "company").mkdir()
        write_company(tmp_path / "open", documents - documents // 3)
        write_company(tmp_path / "board", documents // 3, seed=2)
        index = Index(tmp_path / "company", HashingEmbeddings())
        opened.append(index)
        folders = Folders(Ingestor(index, InlineParser()))
        if documents:
            folders.ingest(tmp_path / "open")
            folders.ingest(tmp_path / "board", readers=Readers(frozenset({"board"})))
        return index

    yield make
    for index in opened:
        index.close()
