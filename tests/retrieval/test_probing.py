"""Damaged files of Chroma: the process lives, and the same answers come."""

from __future__ import annotations

import json
import logging
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from models.fakes import HashingEmbeddings
from retrieval import authority, probing
from retrieval.building import Builder
from retrieval.chroma import VectorIndex, as_left
from retrieval.database import writing
from retrieval.errors import DataFolderError, IndexDamaged
from retrieval.index import DATABASE, VECTORS, Index
from retrieval.probing import Unsound, probe
from retrieval.search import Searcher
from retrieval.vectors import as_vectors
from tests.retrieval.conftest import ALL, SOMEBODY, prepared
from tests.retrieval.test_index import consistent

DOCUMENTS, PARAGRAPHS = 10, 30
MANY = 40
"""Documents of as many paragraphs: enough that Chroma writes its graph to files of its own, which it does by the thousand."""
QUESTIONS = ["limit word45", "word107 of paragraph", "Paragraph 3 of 7", "word299"]
Damage = Callable[[random.Random, bytearray], bytes]


def truncated(chance: random.Random, data: bytearray) -> bytes:
    return bytes(data[: chance.randrange(len(data))])


def zeroed(chance: random.Random, data: bytearray) -> bytes:
    start = chance.randrange(len(data))
    end = chance.randint(start + 1, len(data))
    data[start:end] = bytes(end - start)
    return bytes(data)


def emptied_of_sense(_: random.Random, data: bytearray) -> bytes:
    return bytes(len(data))


def garbled(chance: random.Random, data: bytearray) -> bytes:
    for _ in range(chance.choice([5, 50, 500])):
        data[chance.randrange(len(data))] = chance.randrange(256)
    return bytes(data)


def opened(folder: Path) -> Index:
    return Index(folder, HashingEmbeddings())


def made(folder: Path, documents: int) -> Path:
    folder.mkdir()
    index = opened(folder)
    with writing(index.engine) as connection:
        authority.put_source(connection, "docs", "/docs", ALL)
    texts = {
        f"d{k}.md": "\n\n".join(
            f"Paragraph {j} of {k}, word{k * PARAGRAPHS + j} limit {j * 7}." for j in range(PARAGRAPHS)
        )
        for k in range(documents)
    }
    index.put(1, [prepared(item, text) for item, text in texts.items()])
    index.close()
    return folder


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("pristine") / "index", DOCUMENTS)


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("graph") / "index", MANY)


@pytest.fixture
def kept(pristine: Path, tmp_path: Path) -> Path:
    return copied(pristine, tmp_path / "kept")


def copied(pristine: Path, to: Path) -> Path:
    """A copy, which nobody has closed."""
    return Path(shutil.copytree(pristine, to))


def answers(index: Index) -> list[str]:
    searcher = Searcher(index)
    return [hit.text for query in QUESTIONS for hit in searcher.search(query, principal=SOMEBODY, k=3).hits]


def answers_of(folder: Path) -> list[str]:
    index = opened(folder)
    try:
        return answers(index)
    finally:
        index.close()


def damaged_folders(folder: Path) -> list[Path]:
    return list(folder.glob("chroma.damaged-*"))


# --- when nothing is wrong ------------------------------------------------------------------------------------------


def test_files_that_are_as_they_were_left_start_no_child(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = answers_of(kept)  # a copy: its times say that somebody was at it, and this close seals it again
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("a child was started"))
    assert as_left(kept / VECTORS)
    assert answers_of(kept) == before


def test_sound_files_that_were_not_left_cleanly_are_looked_at_and_kept(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (kept / "chroma.seal").unlink()
    looked: list[Path] = []
    real = probing.probe
    monkeypatch.setattr(
        probing, "probe", lambda path, *rest, **named: looked.append(path) or real(path, *rest, **named)
    )  # type: ignore[func-returns-value]
    answers_of(kept)
    assert looked == [kept / VECTORS]
    assert damaged_folders(kept) == []


@pytest.mark.real
def test_an_index_that_was_killed_while_open_answers_as_before(kept: Path) -> None:
    before = answers_of(kept)
    program = (
        "import os, sys\nfrom pathlib import Path\n"
        "from tests.retrieval.test_probing import opened\nfrom tests.retrieval.conftest import prepared\n"
        "index = opened(Path(sys.argv[1]))\nindex.put(1, [prepared('more.md', 'A zebra crosses.')])\nos.kill(os.getpid(), 9)\n"
    )
    root = Path(__file__).parent.parent.parent
    done = subprocess.run([sys.executable, "-c", program, str(kept)], cwd=root, check=False)
    assert done.returncode == -signal.SIGKILL
    assert not as_left(kept / VECTORS)
    index = opened(kept)
    assert answers(index) == before
    assert Searcher(index).search("zebra", principal=SOMEBODY, k=1).hits[0].text == "A zebra crosses."
    assert consistent(index)
    index.close()
    assert damaged_folders(kept) == []


# --- when something is ----------------------------------------------------------------------------------------------


def test_a_lost_folder_is_made_anew_without_embedding(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = answers_of(kept)
    shutil.rmtree(kept / VECTORS)
    monkeypatch.setattr(HashingEmbeddings, "embed_documents", lambda *_: pytest.fail("embedded again"))
    index = opened(kept)
    assert answers(index) == before
    assert consistent(index)
    index.close()


def test_damaged_files_are_moved_aside_and_said(kept: Path, caplog: pytest.LogCaptureFixture) -> None:
    before = answers_of(kept)
    (kept / VECTORS / "chroma.sqlite3").write_bytes(b"no database" * 1000)
    (kept / "chroma.damaged-20200101T000000Z").mkdir()
    with caplog.at_level(logging.WARNING):
        assert answers_of(kept) == before
    (aside,) = damaged_folders(kept)
    assert aside.name != "chroma.damaged-20200101T000000Z"
    assert stat.S_IMODE(aside.stat().st_mode) == 0o700
    assert (aside / "chroma.sqlite3").read_bytes().startswith(b"no database")
    (record,) = [one.getMessage() for one in caplog.records]
    assert f"the vectors of {DOCUMENTS * PARAGRAPHS} passages were made anew" in record
    assert str(aside) in record


def test_what_was_moved_aside_goes_with_the_next_purge_of_deleted_text(kept: Path) -> None:
    (kept / VECTORS / "chroma.sqlite3").write_bytes(b"no database" * 1000)
    index = opened(kept)
    answers(index)
    index.tidy(purge=False)
    assert len(damaged_folders(kept)) == 1
    index.remove([authority.document_id(1, "d0.md")])
    index.tidy(purge=True)
    assert damaged_folders(kept) == []
    index.close()


def test_what_was_moved_aside_goes_with_a_rebuild(kept: Path) -> None:
    (kept / VECTORS / "chroma.sqlite3").write_bytes(b"no database" * 1000)
    index = opened(kept)
    Builder(index).rebuild()
    assert damaged_folders(kept) == []
    assert consistent(index)
    index.close()


def test_vectors_that_are_not_the_stored_ones_are_made_anew(kept: Path) -> None:
    """Files that open well, and hold what they should not: put back from a backup, say."""
    before = answers_of(kept)
    vectors = VectorIndex(kept / VECTORS)
    (name,) = vectors.collections()
    keys = sorted(vectors.keys(name))
    stored = vectors.stored(name, keys[:1])
    vectors.upsert(name, keys[1:2], stored[keys[0]].reshape(1, -1))
    vectors.delete(name, keys[2:3])
    vectors.close()
    assert as_left(kept / VECTORS)
    found = {one.kind for one in probe(kept / VECTORS, kept / DATABASE, deep=True)}
    assert found == {"vectors"}
    (kept / "chroma.seal").unlink()
    index = opened(kept)
    assert answers(index) == before
    assert consistent(index)
    index.close()


TRIALS = 24
"""Damages, each different; of several hundred tried none ended the process."""


@pytest.mark.real
def test_a_folder_with_damage_of_any_kind_never_ends_the_process_and_never_changes_an_answer(
    pristine: Path, graph: Path, tmp_path: Path
) -> None:
    trials = [(seed, pristine if seed % 3 == 0 else graph) for seed in range(TRIALS)]
    wanted = {one: answers_of(copied(one, tmp_path / f"{number}")) for number, one in enumerate((pristine, graph))}

    def one(trial: tuple[int, Path]) -> str:
        seed, origin = trial
        chance, folder = random.Random(seed), copied(origin, tmp_path / f"trial{seed}")  # noqa: S311 - no secret
        files = sorted(file for file in (folder / VECTORS).rglob("*") if file.is_file() and file.stat().st_size)
        kinds: list[Damage] = [truncated, zeroed, emptied_of_sense, garbled]
        done = []
        for file in chance.sample(files, chance.randint(1, 2)):
            damage = chance.choice(kinds)
            file.write_bytes(damage(chance, bytearray(file.read_bytes())))
            done.append(f"{file.name} {damage.__name__}")
        index = opened(folder)
        try:
            same = answers(index) == wanted[origin]
            index.put(1, [prepared("new.md", "A zebra crosses the yard.")])
            hits = Searcher(index).search("zebra", principal=SOMEBODY, k=1).hits
            return "" if same and "zebra" in hits[0].text else f"{seed}: {', '.join(done)}"
        finally:
            index.close()
            shutil.rmtree(folder)

    with ThreadPoolExecutor(2) as pool:
        assert [said for said in pool.map(one, trials) if said] == []


def test_an_index_that_failed_is_not_sealed_so_that_the_next_opening_looks_closer(kept: Path) -> None:
    answers_of(kept)
    vectors = VectorIndex(kept / VECTORS)
    (name,) = vectors.collections()
    with pytest.raises(IndexDamaged):
        vectors.upsert(name, ["k"], as_vectors([[1.0, 0.0]]))  # of another width: Chroma refuses
    vectors.close()
    assert not as_left(kept / VECTORS)


# --- what a child may do --------------------------------------------------------------------------------------------


def child(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    monkeypatch.setattr(probing, "COMMAND", (sys.executable, "-c", program))


@pytest.mark.parametrize(
    ("program", "says"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"),
        ("import time; time.sleep(60)", "did not open within"),
        ("raise RuntimeError('the graph is odd')", "the graph is odd"),
        ("print('nothing one could read')", "status 0"),
        ("import sys; sys.exit(7)", "status 7"),
    ],
)
def test_however_a_child_ends_it_is_said(kept: Path, monkeypatch: pytest.MonkeyPatch, program: str, says: str) -> None:
    child(monkeypatch, program)
    patience = 2.0 if "sleep" in program else 60.0
    with pytest.raises(Unsound, match=says):
        probe(kept / VECTORS, kept / DATABASE, deep=False, timeout_s=patience)


def test_a_full_disk_is_no_damage(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (kept / "chroma.seal").unlink()
    child(monkeypatch, f"print('The disk is full.'); raise SystemExit({probing.REFUSED})")
    index = opened(kept)
    with pytest.raises(DataFolderError, match="The disk is full"):
        _ = index.vectors
    index.close()
    assert damaged_folders(kept) == []
    assert (kept / VECTORS).is_dir()


def test_a_child_finds_a_sound_folder_sound(kept: Path) -> None:
    assert probe(kept / VECTORS, kept / DATABASE, deep=True) == []


def test_a_seal_tells_nothing_but_names_sizes_and_times(kept: Path) -> None:
    answers_of(kept)
    seal = kept / "chroma.seal"
    assert stat.S_IMODE(seal.stat().st_mode) == 0o600
    assert all(len(look) == 3 for look in json.loads(seal.read_text()).values())


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"chroma.sqlite3": 1}', b"\xff"])
def test_a_broken_seal_is_none(kept: Path, content: bytes) -> None:
    answers_of(kept)
    (kept / "chroma.seal").write_bytes(content)
    assert not as_left(kept / VECTORS)


def test_a_file_changed_with_its_time_put_back_is_seen(kept: Path) -> None:
    answers_of(kept)
    file = kept / VECTORS / "chroma.sqlite3"
    before = file.stat()
    file.write_bytes(file.read_bytes())
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert not as_left(kept / VECTORS)
