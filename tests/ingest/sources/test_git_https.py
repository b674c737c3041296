"""A repository over https, by git's own server behind a small one of ours that asks for a password."""

from __future__ import annotations

import base64
import os
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ingest.errors import SourceError
from ingest.sources.git import GitSource
from tests.ingest.sources.site import Handler, Site
from tests.ingest.sources.test_git import Repository

PASSWORD = "Basic " + base64.b64encode(b"bot:topsecret").decode()

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")


def serve(handler: Handler, root: Path) -> None:
    """Answer one request of git by `git http-backend`."""
    if handler.headers.get("Authorization") != PASSWORD:
        handler.send_response(401)
        handler.send_header("WWW-Authenticate", 'Basic realm="git"')
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return
    parts = urlsplit(handler.path)
    environ = {
        **os.environ,
        "GIT_PROJECT_ROOT": str(root),
        "GIT_HTTP_EXPORT_ALL": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_PROTOCOL": handler.headers.get("Git-Protocol", ""),
        "REQUEST_METHOD": handler.command,
        "PATH_INFO": parts.path,
        "QUERY_STRING": parts.query,
        "CONTENT_TYPE": handler.headers.get("Content-Type", ""),
        "HTTP_CONTENT_ENCODING": handler.headers.get("Content-Encoding", ""),
        "REMOTE_USER": "bot",
    }
    body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
    done = subprocess.run(["git", "http-backend"], env=environ, input=body, capture_output=True, check=True)
    head, _, answer = done.stdout.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
    handler.send_response(int(headers.pop("Status", "200").split()[0]))
    for name, value in {**headers, "Content-Length": str(len(answer))}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(answer)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Serves the folder of the test over https, with a certificate that git is told of."""
    key, certificate = str(tmp_path / "key.pem"), str(tmp_path / "certificate.pem")
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=here"]
    name = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate]
    subprocess.run([*make, *name], check=True, capture_output=True)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    monkeypatch.setenv("GIT_SSL_CAINFO", certificate)
    monkeypatch.setattr(Handler, "do_POST", lambda handler: serve(handler, tmp_path), raising=False)
    with Site(tls) as served:
        served.pages["/origin/.git/info/refs?service=git-upload-pack"] = lambda handler: serve(handler, tmp_path)
        yield served


def test_a_repository_behind_a_password_is_fetched_and_followed(site: Site, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "origin")
    repository.commit({"a.md": "one", "b.md": "same"})
    source = GitSource(f"https://bot:topsecret@{site.host}/origin/.git", cache=tmp_path / "cache")
    before = {item.item: item.version for item in source.list({}).items}
    repository.commit({"a.md": "two"})

    listing = source.list(before)

    assert [source.read(item).data for item in listing.items] == [b"two", b"same"]
    assert listing.items[1].version == before["b.md"]
    assert listing.items[0].address.startswith(f"https://{site.host}/origin/.git@")
    source.close()
    kept = b"".join(path.read_bytes() for path in (tmp_path / "cache").rglob("*") if path.is_file())
    assert b"topsecret" not in kept
    assert PASSWORD.encode() not in kept


def test_a_wrong_password_or_certificate_stops_the_run(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Repository(tmp_path / "origin").commit({"a.md": "one"})
    for credentials in ("", "bot:wrong-one@"):
        source = GitSource(f"https://{credentials}{site.host}/origin/.git", cache=tmp_path / "cache")
        with pytest.raises(SourceError, match="cannot be fetched") as caught:
            source.list({})
        assert "wrong-one" not in str(caught.value)
    monkeypatch.delenv("GIT_SSL_CAINFO")
    asked = len(site.asked)
    with pytest.raises(SourceError, match="cannot be fetched"):
        GitSource(f"https://bot:topsecret@{site.host}/origin/.git", cache=tmp_path / "cache").list({})
    assert len(site.asked) == asked


def test_credentials_do_not_go_where_a_redirect_points(site: Site, tmp_path: Path) -> None:
    Repository(tmp_path / "origin").commit({"a.md": "one"})

    def away(handler: Handler) -> None:
        handler.send_response(302)
        handler.send_header("Location", f"https://{site.host}/origin/.git/info/refs?service=git-upload-pack")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    site.pages["/moved/info/refs?service=git-upload-pack"] = away
    with pytest.raises(SourceError, match="cannot be fetched"):
        GitSource(f"https://bot:topsecret@{site.host}/moved", cache=tmp_path / "cache").list({})
    assert {path.partition("/info")[0] for path, _ in site.asked} == {"/moved"}
