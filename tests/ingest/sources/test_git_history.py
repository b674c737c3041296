"""A repository with a long history, walked commit by commit: the index holds the tree of the newest one and nothing else."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import text

from ingest.fakes import InlineParser
from ingest.feeds import Feed
from ingest.loaders import SUFFIXES
from ingest.sources.git import GitSource
from ingest.sync import Ingestor
from models.fakes import HashingEmbeddings
from retrieval.access import EVERYBODY, Principal, Readers
from retrieval.database import reading
from retrieval.index import Index
from retrieval.search import Searcher

SOMEBODY = Principal("somebody", frozenset({EVERYBODY}))
COMMITS = 200
WALKED = 60
FEATURES = "edit edit edit add add rename delete merge revert mode".split()
_WHEN = 1_700_000_000


class Story:
    """Writes a history for `git fast-import`: one branch, with side branches merged, commits taken back, files moved."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)  # noqa: S311 - a story, no secret
        self._stream: list[bytes] = []
        self._files: dict[str, str] = {}
        self.trees: list[dict[str, str]] = []
        self._mark = 0
        self._made = 0

    def write(self, commits: int) -> bytes:
        self._commit({f"{folder}/page{number}.md": self._text() for folder in "ab" for number in range(6)}, [])
        while len(self.trees) < commits:
            getattr(self, f"_{self._chance.choice(FEATURES)}")()
        return b"".join(self._stream)

    def _text(self) -> str:
        self._made += 1
        words = " ".join(self._chance.choices("rule hotel train budget visit desk canteen key".split(), k=12))
        return f"# Page\n\nThe fact is fact{self._made}end. {words}.\n"

    def _commit(self, changed: dict[str, str], deleted: list[str], merged: int = 0) -> int:
        """Add a commit to the main branch; `merged` is the mark of another parent."""
        self._mark += 1
        head = f"commit refs/heads/main\nmark :{self._mark}\ncommitter A <a@example.com> {_WHEN + self._mark} +0000\n"
        head += "data 6\nchange\n"
        if merged:
            head += f"merge :{merged}\n"
        self._stream.append(head.encode())
        self._stream += [f"D {item}\n".encode() for item in deleted]
        for item, content in changed.items():
            data = content.encode()
            self._stream.append(f"M 100644 inline {item}\ndata {len(data)}\n".encode() + data + b"\n")
        self._files = {item: kept for item, kept in self._files.items() if item not in deleted} | changed
        self.trees.append(self._files)
        return self._mark

    def _some(self) -> str:
        return self._chance.choice(sorted(self._files))

    def _edit(self) -> None:
        self._commit({self._some(): self._text() for _ in range(self._chance.randint(1, 3))}, [])

    def _add(self) -> None:
        self._commit({f"{self._chance.choice('abc')}/new{self._made} café.md": self._text()}, [])

    def _rename(self) -> None:
        item = self._some()
        self._commit({f"moved/{self._made}-{len(self.trees)}.md": self._files[item]}, [item])

    def _delete(self) -> None:
        if len(self._files) > 8:
            self._commit({}, [self._some()])

    def _merge(self) -> None:
        """A side branch from here, with a commit of its own, merged after one on the main branch."""
        first, side = self._mark, f"side/from{self._mark}.md"
        content = self._text()
        self._mark += 1
        self._stream.append(
            f"commit refs/heads/side\nmark :{self._mark}\ncommitter A <a@example.com> {_WHEN + self._mark} +0000\n"
            f"data 4\nside\nfrom :{first}\nM 100644 inline {side}\ndata {len(content.encode())}\n{content}\n".encode()
        )
        branch = self._mark
        self._edit()
        self._commit({side: content}, [], merged=branch)

    def _revert(self) -> None:
        """The tree as it was some commits ago."""
        former = self._chance.choice(self.trees[-6:])
        self._commit(dict(former), [item for item in self._files if item not in former])

    def _mode(self) -> None:
        """A commit that changes nothing."""
        self._commit({}, [])


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    (tmp_path / "index").mkdir()
    opened = Index(tmp_path / "index", HashingEmbeddings(16), recipe="1")
    yield opened
    opened.close()


def git(folder: Path, *arguments: str, data: bytes = b"") -> str:
    done = subprocess.run(["git", "-C", str(folder), *arguments], input=data, check=True, capture_output=True)
    return done.stdout.decode()


def walk(index: Index, folder: Path, cache: Path, *, commits: int, walked: int, seed: int = 1) -> int:
    """Sync a sample of the commits of a history, and compare each time; returns how many were walked."""
    story = Story(seed)
    stream = story.write(commits)
    folder.mkdir()
    git(folder, "init", "-q", "--bare", "-b", "main")
    git(folder, "fast-import", "--quiet", "--date-format=raw", data=stream)
    hashes = git(folder, "rev-list", "--first-parent", "--reverse", "main").split()
    assert len(hashes) == len(story.trees)
    ingestor = Ingestor(index, InlineParser(), most_removed=1.0)
    before: set[str] = set()
    numbers = sorted({round(step * (len(hashes) - 1) / (walked - 1)) for step in range(walked)})
    for number in numbers:
        git(folder, "update-ref", "refs/heads/main", hashes[number])
        source = GitSource(f"file://{folder}", branch="main", cache=cache, suffixes=SUFFIXES)
        ingestor.sync(Feed("handbook", "git", source, Readers(frozenset({EVERYBODY}))))
        tree = story.trees[number]
        with reading(index.engine) as connection:
            rows = connection.execute(
                text(
                    "SELECT d.item, v.text FROM documents d JOIN live l ON l.document_id = d.id"
                    " JOIN versions v ON v.id = l.version_id"
                )
            ).all()
            versions = connection.execute(text("SELECT count(*) FROM versions")).scalar()
        assert {row.item: row.text.strip() for row in rows} == {item: content.strip() for item, content in tree.items()}
        assert versions == len(tree)
        facts = {content.split()[5].rstrip(".") for content in tree.values()}
        searcher = Searcher(index)
        for fact in [*sorted(facts - before)[:3], *sorted(before - facts)[:3]]:
            hits = [one for one in searcher.search(fact, principal=SOMEBODY, k=5).hits if fact in one.text]
            assert bool(hits) == (fact in facts), fact
        before = facts
    return len(numbers)


@pytest.mark.real
def test_after_each_commit_the_index_holds_its_tree_and_answers_from_it(index: Index, tmp_path: Path) -> None:
    assert walk(index, tmp_path / "origin.git", tmp_path / "cache", commits=COMMITS, walked=WALKED) == WALKED


def test_files_are_of_the_day_of_the_commit_they_were_read_from(tmp_path: Path) -> None:
    origin = tmp_path / "origin"
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", origin], check=True)
    told = b"committer A <a@example.com> 1706691600 +0000\ndata 6\nchange\n"  # 2024-01-31 09:00 UTC
    stream = b"commit refs/heads/main\n" + told + b"M 100644 inline a.md\ndata 4\ntext\n"
    subprocess.run(["git", "fast-import", "--quiet"], cwd=origin, input=stream, check=True)
    source = GitSource(str(origin), cache=tmp_path / "cache")
    (item,) = source.list({}).items
    assert source.read(item).dated == date(2024, 1, 31)
    source.close()
