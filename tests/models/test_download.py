from __future__ import annotations

import errno
import fcntl
import hashlib
import logging
import os
import shutil
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from models.catalogue import PublishedFile
from models.download import ATTEMPTS, Hub, Progress, Wanted, token_of
from models.errors import DownloadError, ModelConfigError, ModelFileError
from models.library import Library, Use
from tests.models.hub import COMMIT, Answer, HubServer
from tests.models.test_gguf import gguf_bytes

TOKEN = "hf_secretsecretsecret"
BYTES = gguf_bytes(tensors=(("w", (64, 20_000), 2, 20_000 * 36),))
SHA256 = hashlib.sha256(BYTES).hexdigest()
REPO, FILE = "owner/Model-GGUF", "Model-Q4_0.gguf"


class Pulling:
    """A hub, a library, and a pull from the one into the other."""

    def __init__(self, server: HubServer, folder: Path) -> None:
        self.server = server
        self.library = Library(folder)
        self.waited: list[float] = []
        self.progress: list[Progress] = []
        server.publish(REPO, FILE, BYTES)

    def hub(self, endpoint: str = "", token: str = "") -> Hub:
        return Hub(endpoint or self.server.address, token, timeout_s=5, wait=self.waited.append)

    def __call__(self, *, endpoint: str = "", token: str = "", **wanted: Any) -> Path:
        asked = Wanted(REPO, FILE, **wanted)
        card = self.hub(endpoint, token).pull(
            asked, self.library, Use(), name="model", on_progress=self.progress.append
        )
        return card.path

    def refused(self, word: str, **arguments: Any) -> str:
        with pytest.raises(DownloadError, match=word) as caught:
            self(**arguments)
        sentence = str(caught.value)
        assert sentence.endswith(".")
        assert "\n" not in sentence
        assert TOKEN not in sentence
        assert not self.library.names()
        assert not list(self.library.folder.glob("[!.]*"))
        return sentence

    def asked(self, server: str, method: str = "GET") -> list[dict[str, str]]:
        return [one.headers for one in self.server.asked if (one.server, one.method) == (server, method)]

    def partial(self) -> list[Path]:
        return list(self.library.folder.glob(".*.download"))


@pytest.fixture
def pull(tmp_path: Path) -> Iterator[Pulling]:
    with HubServer() as server:
        yield Pulling(server, tmp_path / "data" / "models")


def cut(after: int) -> Any:
    return lambda answer: answer.content(BYTES, sent=after)


def status(code: int, **headers: str) -> Any:
    return lambda answer: answer.status(code, **headers)


def test_a_file_comes_whole_with_checksum_card_and_progress(pull: Pulling) -> None:
    path = pull(sha256=SHA256, size=len(BYTES))

    assert path.read_bytes() == BYTES
    card = pull.library.card("model")
    assert card.sha256 == SHA256
    assert pull.library.origin("model") == f"{REPO}/{FILE} at {COMMIT}"
    assert (pull.progress[-1].done, pull.progress[-1].total) == (len(BYTES), len(BYTES))
    assert pull.progress[-1].rate > 0
    assert not pull.partial()


def test_a_mirror_that_gives_the_file_itself_serves_as_well(pull: Pulling) -> None:
    pull.server.direct = True
    assert pull().read_bytes() == BYTES
    assert not pull.asked("store")


def test_a_mirror_below_a_path_is_asked_below_that_path(pull: Pulling) -> None:
    pull.server.direct = True
    pull.server.files = {f"/hf{path}": content for path, content in pull.server.files.items()}
    assert pull(endpoint=f"{pull.server.address}/hf/").read_bytes() == BYTES


@pytest.mark.parametrize("ranges", [True, False])
def test_a_cut_connection_is_gone_on_with(pull: Pulling, ranges: bool) -> None:
    pull.server.ranges = ranges
    pull.server.faults["store", "GET"] = [cut(1000)]
    assert pull(sha256=SHA256).read_bytes() == BYTES
    assert [headers.get("Range") for headers in pull.asked("store")] == [None, "bytes=1000-"]
    assert len(pull.waited) == 1


def test_an_interrupted_pull_is_gone_on_with_by_the_next_process(pull: Pulling) -> None:
    pull.server.faults["store", "GET"] = [cut(1000), *[status(503)] * ATTEMPTS]
    pull.refused("503")
    assert [part.stat().st_size for part in pull.partial()] == [1000]
    assert pull(sha256=SHA256).read_bytes() == BYTES
    assert pull.asked("store")[-1]["Range"] == "bytes=1000-"
    assert not pull.partial()


def test_what_is_whole_on_the_disk_is_not_fetched_again(pull: Pulling) -> None:
    pull.server.faults["store", "GET"] = [cut(1000), *[status(503)] * ATTEMPTS]
    pull.refused("503")
    pull.partial()[0].write_bytes(BYTES)
    requests = len(pull.asked("store"))
    assert pull().read_bytes() == BYTES
    assert len(pull.asked("store")) == requests


def test_a_file_that_changed_meanwhile_is_begun_anew(pull: Pulling) -> None:
    pull.server.faults["store", "GET"] = [cut(1000), *[status(503)] * ATTEMPTS]
    pull.refused("503")
    other = gguf_bytes(tensors=(("w", (64, 19_000), 2, 19_000 * 36),))
    pull.server.publish(REPO, FILE, other)
    assert pull().read_bytes() == other
    assert "Range" not in pull.asked("store")[-1]


@pytest.mark.parametrize("code", [408, 429, 500, 502, 503, 504])
def test_a_passing_fault_is_tried_again(pull: Pulling, code: int) -> None:
    pull.server.faults["hub", "HEAD"] = [status(code)]
    pull.server.faults["hub", "GET"] = [status(code)]
    assert pull().read_bytes() == BYTES
    assert len(pull.waited) == 2


@pytest.mark.parametrize(
    ("value", "least", "most"),
    [("7", 7, 7), ("100000", 60, 60), ("Wed, 21 Oct 2015 07:28:00 GMT", 1, 1), ("soon", 1, 1)],
)
def test_the_wait_is_the_one_asked_for_within_reason(pull: Pulling, value: str, least: float, most: float) -> None:
    pull.server.faults["hub", "HEAD"] = [status(429, Retry_After=value)]
    pull()
    assert least <= pull.waited[0] <= most


def test_tries_have_an_end(pull: Pulling) -> None:
    pull.server.faults["hub", "HEAD"] = [status(503)] * 100
    pull.refused("503.*run the command again")
    assert len(pull.asked("hub", "HEAD")) == ATTEMPTS


@pytest.mark.parametrize(
    ("code", "word"), [(401, "wants a token"), (403, "wants a token"), (404, "has no owner"), (410, "status 410")]
)
def test_a_refusal_is_one_sentence_and_not_tried_again(pull: Pulling, code: int, word: str) -> None:
    pull.server.faults["hub", "HEAD"] = [status(code)]
    pull.refused(word)
    assert not pull.waited
    pull.server.faults["store", "GET"] = [status(code)]
    pull.refused(word)


def test_a_token_that_is_not_enough_is_said_to_be_so(pull: Pulling) -> None:
    pull.server.faults["hub", "HEAD"] = [status(401)]
    pull.refused("does not let this token have", token=TOKEN)


def test_the_token_goes_to_the_hub_alone_and_is_never_logged(pull: Pulling, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    pull(token=TOKEN)
    assert {headers["Authorization"] for method in ("HEAD", "GET") for headers in pull.asked("hub", method)} == {
        f"Bearer {TOKEN}"
    }
    assert all("Authorization" not in headers for headers in pull.asked("store"))
    assert TOKEN not in caplog.text


def test_redirects_within_the_hub_keep_the_token_and_to_another_port_lose_it(pull: Pulling) -> None:
    place = f"/{REPO}/resolve/main/moved.gguf"
    pull.server.files[place] = BYTES
    pull.server.faults["hub", "HEAD"] = [status(307, Location=place)]
    pull.server.faults["hub", "GET"] = [status(307, Location=f"{pull.server.store_address}{place}")]
    pull(token=TOKEN)
    assert [("Authorization" in headers) for headers in pull.asked("hub", "HEAD")] == [True, True]
    assert "Authorization" not in pull.asked("store")[0]


def test_the_token_does_not_go_over_plain_http_to_another_machine() -> None:
    import httpx2

    for endpoint, sent in (("http://hub.example", False), ("https://hub.example", True), ("hub.example", True)):
        url = httpx2.URL(endpoint if "://" in endpoint else f"https://{endpoint}").join("/x")
        assert bool(Hub(endpoint, TOKEN)._credentials(url)) is sent


@pytest.mark.parametrize("token", ["two words", "line\nbreak", "ｗｉｄｅ", "nul\0"])
def test_a_broken_token_is_refused_without_being_shown(token: str) -> None:
    with pytest.raises(DownloadError, match="copy it again") as caught:
        Hub("", token)
    assert token not in str(caught.value)


def test_the_token_is_found_where_hugging_face_keeps_it(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from-file\n")
    (tmp_path / "other").write_text("from-other")
    home = {"HF_HOME": str(tmp_path)}
    assert token_of({"HF_TOKEN": " direct "} | home) == "direct"
    assert token_of(home) == "from-file"
    assert token_of(home | {"HF_TOKEN_PATH": str(tmp_path / "other")}) == "from-other"
    assert token_of({"HF_HOME": str(tmp_path / "none")}) == ""
    with pytest.raises(DownloadError, match="token file"):
        token_of({"HF_TOKEN_PATH": str(tmp_path)})


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://127.0.0.1/x", "http://hub:port/", "gopher:x"])
def test_a_redirect_to_something_else_than_http_is_refused(pull: Pulling, location: str) -> None:
    pull.server.faults["hub", "GET"] = [status(302, Location=location)]
    pull.refused("not safe")


def test_a_redirect_from_https_down_to_http_is_refused() -> None:
    import httpx2

    from models.download import _next

    with pytest.raises(DownloadError, match="not safe"):
        _next(httpx2.URL("https://hub.example/a"), "http://hub.example/a", Wanted(REPO, FILE))


def test_redirects_in_circles_have_an_end(pull: Pulling) -> None:
    pull.server.faults["hub", "GET"] = [status(302, Location=f"/{REPO}/resolve/main/{FILE}")] * 50
    pull.refused("round in circles")
    assert len(pull.asked("hub")) == 11


def test_wrong_bytes_are_refused_and_deleted(pull: Pulling) -> None:
    wrong = BYTES[:-1] + bytes([BYTES[-1] ^ 1])
    pull.server.faults["store", "GET"] = [lambda answer: answer.content(wrong)]
    pull.refused("checksum")
    assert not pull.partial()
    assert pull().read_bytes() == BYTES


def test_a_hub_that_states_another_file_than_the_card_is_refused_before_anything_is_fetched(pull: Pulling) -> None:
    pull.refused("another checksum", sha256="0" * 64)
    pull.refused("bytes in place of", size=7)
    assert not pull.asked("store")


def test_a_mirror_without_a_checksum_is_held_to_the_one_on_the_card(pull: Pulling) -> None:
    pull.server.faults["hub", "HEAD"] = [status(200)] * 2
    pull.refused("checksum", sha256="0" * 64)
    assert pull(sha256=SHA256).read_bytes() == BYTES


def test_more_bytes_than_stated_are_refused(pull: Pulling) -> None:
    pull.server.faults["store", "GET"] = [lambda answer: answer.content(BYTES + bytes(100_000))]
    pull.refused("more of")


def test_fewer_bytes_than_stated_are_a_cut_connection(pull: Pulling) -> None:
    pull.server.faults["store", "GET"] = [lambda answer: answer.content(BYTES[:5000])] * ATTEMPTS
    pull.server.ranges = False
    pull.refused("cut after 5,000 of")


def test_a_wrong_part_is_not_appended(pull: Pulling) -> None:
    def shifted(answer: Answer) -> None:
        answer.headers.replace_header("Range", "bytes=2000-")
        answer.ordinary()

    pull.server.faults["store", "GET"] = [cut(1000), shifted]
    assert pull(sha256=SHA256).read_bytes() == BYTES


def test_a_file_that_is_no_model_never_gets_its_name(pull: Pulling) -> None:
    page = b"<html>Please log in</html>" * 100
    pull.server.publish(REPO, FILE, page)
    sentence = pull.refused("not a GGUF file")
    assert ".download" not in sentence
    assert not pull.partial()


def test_a_server_that_hangs_up_or_is_not_there_is_one_sentence(pull: Pulling) -> None:
    def hang_up(answer: Answer) -> None:
        answer.close_connection = True

    pull.server.faults["hub", "HEAD"] = [hang_up] * ATTEMPTS
    pull.refused("connection broke")
    pull.refused("no connection", endpoint="http://127.0.0.1:1")


def test_a_server_that_says_nothing_is_given_up(pull: Pulling) -> None:
    import threading

    let_go = threading.Event()
    pull.server.faults["hub", "HEAD"] = [lambda _: let_go.wait(5) and None] * ATTEMPTS
    hub = Hub(pull.server.address, timeout_s=0.05, wait=lambda _: None)
    with pytest.raises(DownloadError, match="no answer"):
        hub.pull(Wanted(REPO, FILE), pull.library, Use(), name="model", on_progress=lambda _: None)
    let_go.set()


def test_a_disk_without_room_is_said_before_and_while_it_fills(pull: Pulling, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "disk_usage", lambda _: usage(1, 1, 0))
        pull.refused("make room")
    assert not pull.asked("store")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    pull.refused("No space left")


def test_two_processes_do_not_write_the_same_file(pull: Pulling) -> None:
    pull.server.faults["store", "GET"] = [cut(1000), *[status(503)] * ATTEMPTS]
    pull.refused("503")
    with pull.partial()[0].open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        pull.refused("another process")
    assert pull().read_bytes() == BYTES


def test_a_name_that_is_taken_or_no_name_and_a_wrong_template_cost_no_request(pull: Pulling) -> None:
    pull()
    pull.server.asked.clear()
    for name, use, kind in (
        ("model", Use(), ModelFileError),
        ("../model", Use(), ModelFileError),
        ("other", Use(template="none"), ModelConfigError),
    ):
        with pytest.raises(kind):
            pull.hub().pull(Wanted(REPO, FILE), pull.library, use, name=name, on_progress=lambda _: None)
    assert not pull.server.asked


@pytest.mark.parametrize(
    ("repository", "file"),
    [
        ("owner", FILE),
        ("owner/a/b", FILE),
        ("../owner", FILE),
        (REPO, "../secret.gguf"),
        (REPO, "/etc/x.gguf"),
        (REPO, "model.bin"),
        (REPO, "a\nb.gguf"),
        (REPO, "x.gguf?y=.gguf"),
    ],
)
def test_names_that_are_no_repository_or_file_are_refused(pull: Pulling, repository: str, file: str) -> None:
    with pytest.raises(DownloadError):
        pull.hub().pull(Wanted(repository, file), pull.library, Use(), name="model", on_progress=lambda _: None)
    assert not pull.server.asked


@pytest.mark.parametrize("endpoint", ["ftp://hub.example", "http://", "https://hub:port", "://"])
def test_an_endpoint_that_is_none_is_refused(endpoint: str) -> None:
    with pytest.raises(DownloadError, match="address of the hub"):
        Hub(endpoint)


def test_a_revision_is_one_part_of_the_address(pull: Pulling) -> None:
    pull.server.publish(REPO, FILE, BYTES, revision="refs%2Fpr%2F1")
    assert pull(revision="refs/pr/1").read_bytes() == BYTES


def test_a_published_file_can_be_wanted() -> None:
    file = PublishedFile(quant="Q4_0", name=FILE, size=3, sha256=SHA256)
    assert str(Wanted(REPO, file.name, size=file.size, sha256=file.sha256)) == f"{REPO}/{FILE}"
