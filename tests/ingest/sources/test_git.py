from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from ingest.errors import DocumentError, SourceError
from ingest.sources import UNKNOWN_KIND, Listing
from ingest.sources import git as git_module
from ingest.sources.git import GitSource

WHO = {
    "GIT_AUTHOR_NAME": "A",
    "GIT_AUTHOR_EMAIL": "a@example.com",
    "GIT_COMMITTER_NAME": "A",
    "GIT_COMMITTER_EMAIL": "a@example.com",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
}


class Repository:
    """A repository of somebody else, to commit to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=self.path, env={**os.environ, **WHO}, check=True, capture_output=True
        )
        return done.stdout.decode().strip()

    def commit(self, files: Mapping[str, str | bytes | None]) -> str:
        for name, content in files.items():
            path = self.path / name
            if content is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "change")
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "origin")


class Maker:
    """Makes sources over one copy, each after the one before was closed."""

    def __init__(self, cache: Path) -> None:
        self.cache = cache
        self._last: GitSource | None = None

    def __call__(self, repository: str, **settings: Any) -> GitSource:
        self.close()
        self._last = GitSource(repository, cache=self.cache, **settings)
        return self._last

    def close(self) -> None:
        if self._last:
            self._last.close()


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Maker]:
    made = Maker(tmp_path / "cache")
    yield made
    made.close()


def listed(listing: Listing) -> dict[str, str]:
    return {item.item: item.version for item in listing.items}


def everything(source: GitSource, known: Mapping[str, str] | None = None) -> dict[str, bytes]:
    listing = source.list(known or {})
    return {item.item: source.read(item).data for item in listing.items}


def mirror_holds(cache: Path, text: bytes) -> bool:
    """Whether any object of the copy, packed or loose, unreachable ones too, or any other file, holds the text."""
    mirror = cache / "mirror.git"
    environ = {**os.environ, **WHO, "GIT_DIR": str(mirror)}
    told = subprocess.run(
        ["git", "cat-file", "--batch", "--batch-all-objects"], env=environ, check=True, capture_output=True
    )
    assert told.stdout
    if text in told.stdout:
        return True
    for path in (path for path in cache.rglob("*") if path.is_file()):
        data = path.read_bytes()
        if text in data:
            return True
        if data[:1] == b"\x78" and text in zlib.decompress(data):
            return True
    return False


def refused(word: str, source: GitSource) -> str:
    with pytest.raises(SourceError, match=word) as caught:
        source.list({})
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")
    return str(caught.value)


def test_files_of_the_branch_are_listed_and_read(repository: Repository, make: Maker) -> None:
    commit = repository.commit({"a.md": "# A\n", "docs/b.txt": "B", "code.xyz": "?", ".hidden/c.md": "C"})
    source = make(str(repository.path))

    listing = source.list({})

    assert listing.skipped == {"code.xyz": UNKNOWN_KIND}
    assert [(item.item, item.name) for item in listing.items] == [("a.md", "a.md"), ("docs/b.txt", "b.txt")]
    assert listing.items[1].address == f"{repository.path}@{commit[:12]}:docs/b.txt"
    content = source.read(listing.items[0])
    assert (content.data, content.version) == (b"# A\n", listing.items[0].version)
    assert source.root == str(repository.path)
    source.close()
    source.close()


def test_only_what_changed_gets_another_version(repository: Repository, make: Maker) -> None:
    repository.commit({"a.md": "one", "b.md": "two", "c.md": "three"})
    source = make(str(repository.path))
    before = listed(source.list({}))
    repository.commit({"a.md": "changed", "c.md": None})
    repository.git("mv", "b.md", "moved.md")
    repository.commit({})

    after = listed(source.list(before))

    assert after.keys() == {"a.md", "moved.md"}
    assert after["a.md"] != before["a.md"]
    assert after["moved.md"] == before["b.md"]


def test_deleted_text_is_gone_from_the_copy_after_the_next_listing(repository: Repository, make: Maker) -> None:
    repository.commit({"keep.md": "KEPT-TEXT" * 50, "secret.md": "DELETED-TEXT" * 50})
    source = make(str(repository.path))
    source.list({})
    assert mirror_holds(make.cache, b"DELETED-TEXT")
    repository.commit({"secret.md": None})

    source.list({})
    source.close()

    assert mirror_holds(make.cache, b"KEPT-TEXT")
    assert not mirror_holds(make.cache, b"DELETED-TEXT")


def test_deleted_text_is_gone_even_if_the_run_that_fetched_was_killed_before(
    repository: Repository, make: Maker
) -> None:
    repository.commit({"secret.md": "DELETED-TEXT" * 50})
    source = make(str(repository.path))
    source.list({})
    source.close()
    repository.commit({"secret.md": None, "a.md": "A"})
    fetch = ["git", "fetch", "-q", "--depth=1", str(repository.path), "+HEAD:refs/kura/newest"]
    subprocess.run(fetch, env={**os.environ, **WHO, "GIT_DIR": str(make.cache / "mirror.git")}, check=True)
    assert mirror_holds(make.cache, b"DELETED-TEXT")

    source.list({})
    source.close()

    assert not mirror_holds(make.cache, b"DELETED-TEXT")


def test_the_copy_is_shallow_and_forgets_history(repository: Repository, make: Maker) -> None:
    repository.commit({"a.md": "FORMER-TEXT"})
    repository.commit({"a.md": "now"})
    source = make(str(repository.path))
    assert everything(source) == {"a.md": b"now"}
    assert not mirror_holds(make.cache, b"FORMER-TEXT")


def test_another_branch_and_a_folder_of_it(repository: Repository, make: Maker) -> None:
    repository.commit({"a.md": "main"})
    repository.git("checkout", "-q", "-b", "release/1.0")
    repository.commit({"docs/x.md": "X", "docs/deep/y.md": "Y", "docsother/z.md": "Z"})
    repository.git("checkout", "-q", "main")

    source = make(str(repository.path), branch="release/1.0", folder="/docs/")

    assert everything(source) == {"x.md": b"X", "deep/y.md": b"Y"}
    assert source.list({}).items[1].address.endswith(":docs/x.md")
    assert source.root == f"{repository.path}#release/1.0:docs"


def test_include_and_exclude_are_patterns_as_in_gitignore(repository: Repository, make: Maker) -> None:
    repository.commit({"a.md": "", "docs/b.md": "", "docs/old/c.md": "", "docs/d.txt": ""})
    source = make(str(repository.path), include=["docs/"], exclude=["old/", "*.txt"])
    assert listed(source.list({})).keys() == {"docs/b.md"}


def test_odd_names_links_submodules_and_pointers(repository: Repository, make: Maker) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 3\n"
    repository.commit({'new\nline "q" 🦀.md': "odd", "big.pdf": pointer, "target.md": "T"})
    (repository.path / "link.md").symlink_to("/etc/passwd")
    broken = os.fsencode(repository.path) + b"/caf\xe9.md"
    Path(os.fsdecode(broken)).write_bytes(b"latin")
    head = repository.git("rev-parse", "HEAD")
    repository.git("update-index", "--add", "--cacheinfo", f"160000,{head},sub.md")
    repository.git("add", "-A", ":!sub.md")
    repository.git("commit", "-q", "-m", "odd")
    source = make(str(repository.path))

    listing = source.list({})

    assert listed(listing).keys() == {'new\nline "q" 🦀.md', "target.md"}
    assert listing.skipped == {"big.pdf": "its content is in Git LFS"}
    assert list(listing.unreadable) == ["caf\N{REPLACEMENT CHARACTER}.md"]
    assert source.read(listing.items[0]).data == b"odd"


def test_a_forced_push_is_followed(repository: Repository, make: Maker) -> None:
    repository.commit({"a.md": "first"})
    repository.commit({"a.md": "WITHDRAWN"})
    source = make(str(repository.path))
    source.list({})
    repository.git("reset", "-q", "--hard", "HEAD~1")
    repository.git("commit", "-q", "--amend", "-m", "other")

    assert everything(source) == {"a.md": b"first"}
    assert not mirror_holds(make.cache, b"WITHDRAWN")


def test_an_empty_repository_a_missing_branch_folder_or_repository_each_stop_the_run(
    repository: Repository, make: Maker, tmp_path: Path
) -> None:
    refused("no commit yet", make(str(repository.path)))
    repository.commit({"a.md": "A"})
    refused("no branch gone", make(str(repository.path), branch="gone"))
    refused("no folder 'docs'", make(str(repository.path), folder="docs"))
    refused("cannot be fetched", make(str(tmp_path / "nowhere")))
    refused("cannot be fetched", make("https://127.0.0.1:9/x/y.git"))


def test_a_repository_that_cannot_be_reached_leaves_the_copy_and_comes_back(
    repository: Repository, make: Maker
) -> None:
    repository.commit({"a.md": "A"})
    source = make(str(repository.path))
    source.list({})
    away = repository.path.rename(repository.path.with_name("away"))
    packs = sorted((make.cache / "mirror.git").rglob("*.pack"))
    refused("cannot be fetched", source)
    assert packs
    assert sorted((make.cache / "mirror.git").rglob("*.pack")) == packs
    away.rename(repository.path)
    assert everything(source) == {"a.md": b"A"}


def test_without_git_a_sentence_says_so(
    repository: Repository, make: Maker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    refused("git is not installed", make(str(repository.path)))


@pytest.mark.parametrize("damage", ["objects", "HEAD", "refs", "pack"])
def test_a_damaged_copy_is_made_anew(repository: Repository, make: Maker, damage: str) -> None:
    repository.commit({"a.md": "A", "b.md": "B"})
    everything(make(str(repository.path)))
    mirror = make.cache / "mirror.git"
    if damage == "pack":
        for pack in mirror.rglob("*.pack"):
            pack.chmod(0o600)
            pack.write_bytes(b"")
    elif damage == "HEAD":
        (mirror / "HEAD").write_text("rubbish")
    else:
        shutil.rmtree(mirror / damage)

    assert everything(make(str(repository.path))) == {"a.md": b"A", "b.md": b"B"}


def test_what_a_killed_git_left_behind_is_removed(repository: Repository, make: Maker) -> None:
    repository.commit({"a.md": "A"})
    source = make(str(repository.path))
    source.list({})
    mirror = make.cache / "mirror.git"
    left = [mirror / "shallow.lock", mirror / "refs/kura/newest.lock", mirror / "objects/pack/tmp_pack_x"]
    for path in left:
        path.write_text("half")
    repository.commit({"a.md": "B"})

    assert everything(source) == {"a.md": b"B"}
    assert not [path for path in left if path.exists()]


@pytest.mark.real
def test_killed_at_any_moment_the_next_run_ends_well(repository: Repository, make: Maker) -> None:
    program = (
        "import sys; from pathlib import Path; from ingest.sources.git import GitSource\n"
        "GitSource(sys.argv[1], cache=Path(sys.argv[2])).list({})\n"
    )
    root = Path(__file__).parents[3]
    for number in range(8):
        repository.commit({f"{number}-{one}.md": f"text {number} {one} " * 200 for one in range(50)})
        process = subprocess.Popen(
            [sys.executable, "-c", program, str(repository.path), str(make.cache)], cwd=root, start_new_session=True
        )
        time.sleep(0.15 + number * 0.03)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        source = make(str(repository.path))
        assert len(everything(source)) == 50 * (number + 1)
        source.close()


def test_two_processes_never_share_a_copy(repository: Repository, make: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git_module, "WAIT_S", 0.1)
    repository.commit({"a.md": "A"})
    make.cache.mkdir()
    with (make.cache / "lock").open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        refused("another process", make(str(repository.path)))
    assert everything(make(str(repository.path))) == {"a.md": b"A"}


def test_a_repository_that_is_too_large_is_refused_and_leaves_nothing(repository: Repository, make: Maker) -> None:
    repository.commit({"a.md": os.urandom(300_000)})
    refused("larger than", make(str(repository.path), most_bytes=100_000))
    assert not (make.cache / "mirror.git").exists()


def test_a_file_that_is_too_large_fails_alone(
    repository: Repository, make: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git_module, "MAX_BYTES", 10)
    repository.commit({"a.md": "A", "big.md": "x" * 11})
    source = make(str(repository.path))
    small, big = source.list({}).items
    with pytest.raises(DocumentError, match=r"big\.md has"):
        source.read(big)
    assert source.read(small).data == b"A"


def test_a_blob_that_is_not_there_is_no_document_fault_and_reading_goes_on(repository: Repository, make: Maker) -> None:
    repository.commit({"a.md": "A"})
    source = make(str(repository.path))
    (item,) = source.list({}).items
    with pytest.raises(OSError, match="lacks"):
        source.read(type(item)("x.md", "0" * 40, "", "x.md"))
    assert source.read(item).data == b"A"


def test_hooks_filters_and_settings_of_a_repository_never_run(repository: Repository, make: Maker) -> None:
    witness = repository.path.parent / "witness"
    repository.commit(
        {"a.md": "A", ".gitattributes": "* filter=evil\n", ".gitmodules": '[submodule "x"]\n\turl = ext::x\n'}
    )
    hook = repository.path / ".git/hooks/post-upload-pack"
    hook.parent.mkdir(exist_ok=True)
    for name in ("post-upload-pack", "reference-transaction", "pre-auto-gc"):
        path = hook.with_name(name)
        path.write_text(f"#!/bin/sh\ntouch {witness}\n")
        path.chmod(0o755)
    repository.git("config", "core.fsmonitor", f"touch {witness}")
    repository.git("config", "uploadpack.packObjectsHook", f"touch {witness};")
    repository.git("config", "filter.evil.smudge", f"touch {witness}")

    assert everything(make(str(repository.path))) == {"a.md": b"A"}
    assert not witness.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_repository_of_another_user_is_refused_with_a_way_out(repository: Repository, make: Maker) -> None:
    repository.commit({"a.md": "A"})
    for path in (repository.path, *repository.path.rglob("*")):
        os.chown(path, 12345, 12345)
    assert "ssh or https" in refused("belongs to another user", make(str(repository.path)))
