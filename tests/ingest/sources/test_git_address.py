from __future__ import annotations

import base64
from pathlib import Path

import pytest

from ingest.errors import SourceError
from ingest.sources.git import GitSource
from ingest.sources.git_address import Links, check_branch, check_folder, parse_repository

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("text", "url", "protocol"),
    [
        ("https://github.com/acme/docs.git", "https://github.com/acme/docs.git", "https"),
        ("https://host:8443/a/~b/c%20d", "https://host:8443/a/~b/c%20d", "https"),
        ("ssh://git@host:2222/acme/docs", "ssh://git@host:2222/acme/docs", "ssh"),
        ("git@github.com:acme/docs.git", "git@github.com:acme/docs.git", "ssh"),
        ("host:docs", "host:docs", "ssh"),
        ("file:///srv/a%20b", "/srv/a b", "file"),
        ("/srv/docs.git", "/srv/docs.git", "file"),
        ("./with:colon", str(Path.cwd() / "with:colon"), "file"),
    ],
)
def test_each_way_to_name_a_repository(
    text: str, url: str, protocol: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    found = parse_repository(text)
    expected = str(tmp_path / "with:colon") if text.startswith("./") else url
    assert (found.url, found.protocol, found.secret) == (expected, protocol, "")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-uevil",
        "--upload-pack=evil",
        "ext::sh -c evil",
        "ext::https://host/",
        "http://host/a",
        "git://host/a",
        "ftp://host/a",
        "ssh://-oProxyCommand=evil/a",
        "-oProxyCommand=evil@host:a",
        "ssh://-l@host/a",
        "ssh://user:secret@host/a",
        "https://host/a?x=1",
        "https://host/a#b",
        "https:///a",
        "https://[::1/a",
        "https://ho st/a",
        "https://host:port/a",
        "file://other/a",
        "https://host/a\n--b",
    ],
)
def test_what_git_might_take_for_something_else_is_refused(text: str) -> None:
    with pytest.raises(SourceError) as caught:
        parse_repository(text)
    assert "secret" not in str(caught.value)


def test_credentials_are_kept_apart_and_shown_nowhere(tmp_path: Path) -> None:
    found = parse_repository("https://us%40er:t%3Aoken@127.0.0.1:9/acme/docs.git")
    assert found.url == "https://127.0.0.1:9/acme/docs.git"
    assert base64.b64decode(found.secret.removeprefix("Basic ")) == b"us@er:t:oken"
    assert "oken" not in Links(found, "").to(COMMIT, "a.md")

    source = GitSource("https://user:topsecret@127.0.0.1:9/acme/docs.git", cache=tmp_path / "cache")
    with pytest.raises(SourceError) as caught:
        source.list({})
    kept = b"".join(path.read_bytes() for path in (tmp_path / "cache").rglob("*") if path.is_file())
    hidden = base64.b64encode(b"user:topsecret")
    assert "topsecret" not in source.root + str(caught.value)
    assert kept
    assert b"topsecret" not in kept
    assert hidden not in kept
    assert hidden.decode() not in str(caught.value)


@pytest.mark.parametrize(
    "repository", ["https://github.com/acme/docs.git", "git@github.com:acme/docs.git", "ssh://git@github.com/acme/docs"]
)
def test_links_to_a_known_host_whatever_the_protocol(repository: str) -> None:
    link = Links(parse_repository(repository), "main").to(COMMIT, "a b/c#?%\n日.md")
    assert link == f"https://github.com/acme/docs/blob/{COMMIT}/a%20b/c%23%3F%25%0A%E6%97%A5.md"


def test_links_of_gitlab_and_of_a_template() -> None:
    assert Links(parse_repository("https://gitlab.com/g/sub/docs"), "").to(COMMIT, "a.md") == (
        f"https://gitlab.com/g/sub/docs/-/blob/{COMMIT}/a.md"
    )
    own = Links(parse_repository("/srv/x"), "rel/1", "https://git.example/x/src/{branch}/{path}?at={commit}")
    assert own.to(COMMIT, "{commit}.md") == f"https://git.example/x/src/rel/1/%7Bcommit%7D.md?at={COMMIT}"


@pytest.mark.parametrize(
    "link", ["javascript:{path}", "https://{path}/", "https://x/{commit.__class__}", "https://x/{}"]
)
def test_a_template_that_makes_no_address_is_refused(link: str) -> None:
    with pytest.raises(SourceError, match="link"):
        Links(parse_repository("/srv/x"), "", link)


@pytest.mark.parametrize("branch", ["-x", "a..b", "a:b", "a b", "a^", "a*", "+a", "/a", "a/", "a.lock", "@{1}", "a\n"])
def test_what_is_no_branch_is_refused(branch: str) -> None:
    with pytest.raises(SourceError):
        check_branch(branch)


def test_branches_and_folders_that_can_be() -> None:
    assert [check_branch(name) for name in ("", "main", "feature/日本-1.0+x")] == ["", "main", "feature/日本-1.0+x"]
    assert [check_folder(name) for name in ("", "/", "./docs//a/", "-x")] == ["", "", "docs/a", "-x"]
    with pytest.raises(SourceError):
        check_folder("docs/../../etc")
