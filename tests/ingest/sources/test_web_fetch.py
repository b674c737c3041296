from __future__ import annotations

import gzip
import shutil
import socket
import ssl
import subprocess
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from email.utils import formatdate
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest

from ingest.sources.web_address import Refused
from ingest.sources.web_fetch import ATTEMPTS, Fetcher, FetchFault, Limits, TooLarge, unpacked
from tests.ingest.sources.site import Reply, Site, raw

OK = b"HTTP/1.1 200 OK\r\n"


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as served:
        yield served


class Made:
    """Makes fetchers that may reach a site, and that wait for nothing."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.waited: list[float] = []
        self._made: list[Fetcher] = []

    def __call__(
        self,
        *,
        allow: Sequence[str] | None = None,
        resolve: Callable[[str, int], Sequence[str]] | None = None,
        **limits: Any,
    ) -> Fetcher:
        bounds = Limits(**{"delay_s": 0.0, "timeout_s": 5.0, "page_bytes": 100_000, **limits})
        hosts = [self.site.host] if allow is None else allow
        named = {"resolve": resolve} if resolve else {}
        self._made.append(Fetcher(hosts, bounds, wait=self.waited.append, **named))
        return self._made[-1]

    def close(self) -> None:
        for fetcher in self._made:
            fetcher.close()


@pytest.fixture
def made(site: Site) -> Iterator[Made]:
    maker = Made(site)
    yield maker
    maker.close()


def test_a_page_comes_with_its_headers_and_nothing_is_told_of_us(site: Site, made: Made) -> None:
    site.pages["/a?b=c"] = Reply(b"hello", headers={"Set-Cookie": "session=1", "X-Thing": "x"})
    fetcher = made()
    answer = fetcher.get(f"{site.address}/a?b=c#part")
    fetcher.get(f"{site.address}/a?b=c", {"If-None-Match": '"x"'})
    assert (answer.status, answer.body, answer.headers["x-thing"]) == (200, b"hello", "x")
    headers = site.asked[0][1]
    assert headers == {"host": site.host, "user-agent": "kura", "accept": "*/*", "accept-encoding": "gzip, deflate"}
    assert site.asked[1][1]["if-none-match"] == '"x"'
    assert "cookie" not in site.asked[1][1]


def test_a_redirect_is_handed_back_and_not_followed(site: Site, made: Made) -> None:
    site.pages["/"] = Reply(status=302, headers={"Location": "http://169.254.169.254/"})
    assert made().get(site.address).status == 302


def test_a_host_inside_the_network_is_refused_unless_allowed(site: Site, made: Made) -> None:
    for allow in ((), ("127.0.0.1",), (f"127.0.0.1:{site.port + 1}",), (f"localhost:{site.port}",)):
        with pytest.raises(Refused):
            made(allow=allow).get(site.address)
    assert not site.asked


def test_an_allowed_host_still_leads_nowhere_near_cloud_metadata(made: Made) -> None:
    fetcher = made(allow=["intranet.example"], resolve=lambda host, port: ["169.254.169.254"])
    with pytest.raises(Refused, match="nothing is fetched from"):
        fetcher.get("http://intranet.example/")


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "::1", "::ffff:192.168.0.1", "100.64.0.1", "fe80::1%eth0", "0.1.2.3", "fd00::1"],
)
def test_a_public_name_that_leads_inside_is_refused_even_if_one_address_is_public(made: Made, address: str) -> None:
    fetcher = made(allow=(), resolve=lambda host, port: ["93.184.215.14", address])
    with pytest.raises(Refused):
        fetcher.get("http://docs.example/")


def test_a_name_is_resolved_once_and_what_was_checked_is_connected_to(site: Site, made: Made) -> None:
    answers = iter([["127.0.0.1"], ["169.254.169.254"], ["10.0.0.1"]])
    site.pages["/"] = Reply(b"x", headers={"Connection": "close"})
    fetcher = made(allow=[f"docs.example:{site.port}"], resolve=lambda host, port: next(answers))
    for _ in range(3):
        assert fetcher.get(f"http://docs.example:{site.port}/").body == b"x"
    assert [headers["host"] for _, headers in site.asked] == [f"docs.example:{site.port}"] * 3
    assert next(answers) == ["169.254.169.254"]


def test_the_address_connected_to_is_the_one_that_was_checked(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    reached: list[Any] = []

    def connect(address: Any, *arguments: Any, **named: Any) -> socket.socket:
        reached.append(address)
        raise OSError("unreachable")

    monkeypatch.setattr(socket, "create_connection", connect)
    fetcher = made(allow=(), resolve=lambda host, port: ["93.184.215.14", "2606:2800:21f:cb07::1"])
    with pytest.raises(FetchFault, match="no connection"):
        fetcher.get("https://docs.example/")
    assert reached == [("93.184.215.14", 443), ("2606:2800:21f:cb07::1", 443)] * ATTEMPTS


def test_a_name_without_an_address_is_a_passing_fault(made: Made) -> None:
    def resolve(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror("no such name")

    with pytest.raises(FetchFault, match="no address"):
        made(allow=(), resolve=resolve).get("http://docs.example/")


def test_tls_checks_the_name_and_not_the_address(site: Site, made: Made) -> None:
    fetcher = made(allow=[f"docs.example:{site.port}"], resolve=lambda host, port: ["127.0.0.1"])
    with pytest.raises(FetchFault, match="broken"):  # the site speaks no TLS, and nothing falls back to http
        fetcher.get(f"https://docs.example:{site.port}/")
    assert not site.asked


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_a_certificate_must_be_of_the_name_that_was_asked_for(tmp_path: Path) -> None:
    key, certificate = str(tmp_path / "key.pem"), str(tmp_path / "certificate.pem")
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=docs.example"]
    name = ["-addext", "subjectAltName=DNS:docs.example", "-keyout", key, "-out", certificate]
    subprocess.run([*make, *name], check=True, capture_output=True)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(certificate, key)
    with Site(serving) as site:
        site.pages["/"] = Reply(b"secret")
        fetcher = Fetcher(
            [f"docs.example:{site.port}", f"other.example:{site.port}"],
            resolve=lambda host, port: ["127.0.0.1"],
            wait=lambda seconds: None,
            tls=ssl.create_default_context(cafile=certificate),
        )
        assert fetcher.get(f"https://docs.example:{site.port}/").body == b"secret"
        with pytest.raises(FetchFault):
            fetcher.get(f"https://other.example:{site.port}/")
        fetcher.close()
        assert len(site.asked) == 1


def test_no_proxy_of_the_environment_is_used(site: Site, made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")
    site.pages["/"] = Reply(b"direct")
    assert made().get(site.address).body == b"direct"


@pytest.mark.parametrize("port", [22, 8080, 6379])
def test_only_the_ports_of_the_web_unless_allowed(made: Made, port: int) -> None:
    with pytest.raises(Refused, match=f"port {port}"):
        made(allow=(), resolve=lambda host, port: ["93.184.215.14"]).get(f"http://docs.example:{port}/")


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "deflate"])
def test_packed_pages_are_unpacked(site: Site, made: Made, encoding: str) -> None:
    packed = zlib.compress(b"hello" * 99) if encoding == "deflate" else gzip.compress(b"hello" * 99, mtime=0)
    site.pages["/"] = Reply(packed, headers={"Content-Encoding": encoding})
    assert made().get(site.address).body == b"hello" * 99


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "aes"])
def test_a_packing_nobody_asked_for_is_refused(site: Site, made: Made, encoding: str) -> None:
    site.pages["/"] = Reply(b"x", headers={"Content-Encoding": encoding})
    with pytest.raises(FetchFault, match="packed"):
        made().get(site.address)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "identity"])
def test_a_bomb_is_stopped_before_it_unfolds(site: Site, made: Made, encoding: str) -> None:
    huge = bytes(50_000_000)
    body = {"gzip": gzip.compress, "deflate": zlib.compress, "identity": bytes}[encoding](huge)
    site.pages["/"] = Reply(body, headers={"Content-Encoding": encoding})
    with pytest.raises(TooLarge):
        made().get(site.address)


def test_unfolding_goes_in_pieces_and_to_the_end() -> None:
    text = bytes(5_000_000) + b"end"
    for encoding, packed in (
        ("gzip", gzip.compress(text, mtime=0)),
        ("deflate", zlib.compress(text)),
        ("deflate", zlib.compress(text)[2:-4]),
    ):
        pieces = list(unpacked([packed[:9], packed[9:]], encoding, 6_000_000))
        assert b"".join(pieces) == text
        assert max(map(len, pieces)) <= 2**20
    two = gzip.compress(b"one", mtime=0) + gzip.compress(b"two", mtime=0) + bytes(8)
    assert b"".join(unpacked([two], "gzip", 10)) == b"onetwo"
    assert list(unpacked([], "gzip", 10)) == []


@pytest.mark.parametrize(
    "packed", [gzip.compress(bytes(1000), mtime=0)[:-9], b"no gzip", gzip.compress(b"x", mtime=0) + b"rubbish"]
)
def test_what_is_packed_wrongly_or_cut_is_a_fault(packed: bytes) -> None:
    with pytest.raises(FetchFault):
        list(unpacked([packed], "gzip", 10_000))


def test_endless_headers_and_chunk_marks_are_stopped(site: Site, made: Made) -> None:
    site.pages["/headers"] = raw(OK, *repeat(b"X-Long: " + b"x" * 1000 + b"\r\n", 2000))
    site.pages["/hints"] = raw(*repeat(b"HTTP/1.1 103 Early Hints\r\nX: " + b"x" * 1000 + b"\r\n\r\n", 3000))
    marks = b"1;" + b"x" * 5000 + b"\r\ny\r\n"
    site.pages["/marks"] = raw(OK + b"Transfer-Encoding: chunked\r\n\r\n", *repeat(marks, 1000))
    for path in ("/headers", "/hints", "/marks"):
        with pytest.raises(FetchFault):
            made().get(site.address + path)


@pytest.mark.parametrize("path", ["/head", "/body"])
def test_a_page_that_drips_is_given_up_in_time(site: Site, made: Made, path: str) -> None:
    drip = [b"x"] * 200
    site.pages["/head"] = raw(OK + b"X-Slow: ", *drip, wait=lambda: time.sleep(0.05))
    site.pages["/body"] = raw(OK + b"Content-Length: 200\r\n\r\n", *drip, wait=lambda: time.sleep(0.05))
    with pytest.raises(FetchFault, match=r"slowly|no answer"):
        made(total_s=0.4).get(site.address + path)
    assert len(site.asked) == 1


def test_a_server_that_says_nothing_is_given_up(site: Site, made: Made) -> None:
    site.pages["/"] = lambda handler: time.sleep(1)
    with pytest.raises(FetchFault, match="no answer"):
        made(timeout_s=0.2).get(site.address)


def test_a_cut_body_is_no_page(site: Site, made: Made) -> None:
    site.pages["/"] = raw(OK + b"Content-Length: 100\r\n\r\nhalf")
    with pytest.raises(FetchFault, match="broken"):
        made().get(site.address)
    assert len(site.asked) == ATTEMPTS


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_passing_fault_is_tried_again_when_the_server_says(site: Site, made: Made, status: int) -> None:
    busy = Reply(status=status, headers={"Retry-After": "7"})

    def once(handler: Any) -> None:
        site.pages["/"] = Reply(b"back")
        head = f"HTTP/1.1 {status} Busy\r\nRetry-After: 7\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        raw(head.encode())(handler)

    site.pages["/"] = once
    assert made().get(site.address).body == b"back"
    assert made.waited == [7.0]
    site.pages["/"] = busy
    assert made().get(site.address).status == status


def test_a_server_that_asks_for_too_long_a_wait_is_left_alone(site: Site, made: Made) -> None:
    site.pages["/"] = Reply(status=503, headers={"Retry-After": formatdate(time.time() + 86_400, usegmt=True)})
    assert made().get(site.address).status == 503
    assert len(site.asked) == 1
    assert not made.waited


def test_requests_keep_their_distance(site: Site, made: Made) -> None:
    site.pages["/"] = Reply(b"x")
    fetcher = made(delay_s=30.0)
    fetcher.get(site.address)
    assert not made.waited
    fetcher.get(site.address)
    (waited,) = made.waited
    assert 0 < waited <= 30
