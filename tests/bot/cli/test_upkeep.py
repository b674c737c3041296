"""`kura verify`, `repair`, `index switch|drop` and `remove` beside a server, which does them."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from bot.cli.handover import HandoverFailed, hand_over_upkeep
from bot.cli.ingest import Show, progress_bars
from bot.errors import SettingsError
from bot.settings import load
from bot.upkeep import UpkeepRequest, UpkeepResult
from bot.wiring import listen
from bot.wiring.handover import RunningServer, announced, new_server
from ingest.reports import Progress
from retrieval.data_folder import DataFolder
from retrieval.errors import NotFound
from tests.bot.cli.conftest import Ended
from tests.bot.cli.test_serve import HOTEL, KURA, environment, post
from tests.bot.ingests import PATIENCE_S, FakeIngests
from tests.bot.web.ingesting import MACHINE, IngestSite, ingest_site

Note = Callable[[Progress], None]
VERIFY = UpkeepRequest("verify")


class Machine:
    """A server on loopback, whose upkeep is `script`."""

    def __init__(self) -> None:
        self.script: Callable[[UpkeepRequest, Note], UpkeepResult] = lambda request, _: UpkeepResult((request.kind,))
        self.ingests = FakeIngests(hold=True)
        self.site: IngestSite
        self.here: RunningServer

    def run(self, request: UpkeepRequest, note: Note) -> UpkeepResult:
        return self.script(request, note)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine()
    with ExitStack() as stack:
        made.site = stack.enter_context(ingest_site(tmp_path, made.ingests, upkeep=made.run))
        listening = stack.enter_context(listen("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(made.site.client.app, log_config=None, lifespan="off", ws="none"))
        running = threading.Thread(target=server.run, args=([listening],))
        running.start()
        made.here = RunningServer("127.0.0.1", listening.getsockname()[1], "localhost", "machine", "")
        try:
            yield made
        finally:
            made.site.jobs.close()
            server.should_exit = True
            running.join(PATIENCE_S)


def test_the_server_does_it_and_its_progress_and_result_are_told(machine: Machine) -> None:
    shown: list[tuple[str, int, int, str]] = []

    def show(source: str, done: int, total: int, said: str, _: Mapping[str, str]) -> None:
        shown.append((source, done, total, said))

    @contextmanager
    def bars() -> Iterator[Show]:
        yield show

    def script(request: UpkeepRequest, note: Note) -> UpkeepResult:
        note(Progress("generation 1", 1, 3, ""))
        return UpkeepResult((f"{request.kind} {request.sources} {request.generation}",), ("Heed this.",))

    machine.script = script
    result = hand_over_upkeep(machine.here, UpkeepRequest("switch", ("wiki",), 1), show=bars)
    assert result == UpkeepResult(("switch ('wiki',) 1",), ("Heed this.",))
    assert shown[-1] == ("generation 1", 1, 3, "")


def test_a_fault_is_the_one_it_would_be_without_a_server(machine: Machine) -> None:
    def script(request: UpkeepRequest, _: Note) -> UpkeepResult:
        raise SettingsError("There is no source payrol.") if request.sources else NotFound("There is no generation 9.")

    machine.script = script
    with pytest.raises(SettingsError, match=r"^There is no source payrol\.$"):
        hand_over_upkeep(machine.here, UpkeepRequest("verify", ("payrol",)), show=progress_bars)
    with pytest.raises(HandoverFailed, match=r"^There is no generation 9\.$"):
        hand_over_upkeep(machine.here, UpkeepRequest("switch", generation=9), show=progress_bars)


def test_a_proof_waits_for_the_ingest_in_front_of_it(machine: Machine) -> None:
    machine.script = lambda *_: UpkeepResult((f"{len(machine.ingests.requests)} ingests before",))
    for source in ("wiki", "handbook"):
        machine.site.client.post("/v1/ingest", json={"sources": [source]}, headers=MACHINE)
    told: list[UpkeepResult] = []
    asking = threading.Thread(target=lambda: told.append(hand_over_upkeep(machine.here, VERIFY, show=progress_bars)))
    asking.start()
    assert machine.ingests.begun.acquire(timeout=PATIENCE_S)
    machine.ingests.release()
    machine.ingests.release()
    asking.join(PATIENCE_S)
    assert told == [UpkeepResult(("2 ingests before",))]


def test_a_server_that_is_stopped_midway_is_one_sentence(machine: Machine) -> None:
    stopping = threading.Thread(target=machine.site.jobs.close)

    def script(_: UpkeepRequest, note: Note) -> UpkeepResult:
        stopping.start()
        while True:
            note(Progress("sources", 0, 2, "wiki"))

    machine.script = script
    with pytest.raises(HandoverFailed) as ended:
        hand_over_upkeep(machine.here, VERIFY, show=progress_bars)
    assert str(ended.value) == "The server did not finish this: Kura was stopped while this ran; do it again."
    stopping.join(PATIENCE_S)


def test_a_server_that_dies_midway_is_one_sentence() -> None:
    class Dying(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self._say("application/json", json.dumps({"job": "j1", "state": "queued"}))

        def do_GET(self) -> None:
            job: dict[str, Any] = {"kind": "verify", "state": "running", "progress": [], "report": None, "fault": ""}
            self._say("text/event-stream", f"event: progress\ndata: {json.dumps(job)}\n\n")

        def _say(self, kind: str, text: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Dying) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        here = RunningServer("127.0.0.1", server.server_port, "localhost", "machine", "")
        try:
            with pytest.raises(HandoverFailed, match="before this was done"):
                hand_over_upkeep(here, VERIFY, show=progress_bars)
        finally:
            server.shutdown()
            serving.join(PATIENCE_S)


@pytest.mark.parametrize(
    "arguments", [("verify",), ("repair",), ("index", "switch", "1"), ("index", "drop", "1"), ("remove", "docs")]
)
def test_a_server_that_is_gone_or_has_other_settings_is_said(
    kura: Callable[..., Ended], tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    here = new_server("127.0.0.1", 9, "localhost", load())
    with DataFolder(tmp_path / "data", holder="kura serve"), announced(tmp_path / "data", here):
        ended = kura(*arguments)
        assert (ended.code, ended.out, ended.err.count("\n")) == (1, "", 1)
        assert "does not answer" in ended.err
        Path("kura.toml").write_text("[ingest]\npassage = 400\n")
        ended = kura(*arguments)
        assert (ended.code, "other settings" in ended.err) == (2, True)


@pytest.mark.real
def test_beside_a_server_each_command_does_what_it_does_without(tmp_path: Path, docs: Path) -> None:
    data, config = tmp_path / "served", tmp_path / "other.toml"
    config.write_text("[ingest]\npassage = 200\n")

    def kura(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [*KURA, "--config", str(config), *arguments]
        return subprocess.run(command, env=environment(data), capture_output=True, text=True, check=False)

    for before in ([*KURA, "ingest", str(docs)], [*KURA, "--config", str(config), "ingest", str(docs)]):
        subprocess.run(before, env=environment(data), check=True, capture_output=True)
    alone = kura("verify")
    serve = [*KURA, "--config", str(config), "serve", "--port", "0"]
    with ExitStack() as stack:
        process = stack.enter_context(subprocess.Popen(serve, env=environment(data), stderr=subprocess.PIPE, text=True))
        stack.callback(process.kill)  # a test that fails here must not wait for a server that nobody ends
        assert process.stderr is not None
        found = re.search(r"http://[\d.]+:\d+", process.stderr.readline())
        assert found
        logs = threading.Thread(target=process.stderr.read)
        logs.start()
        # proved, as without a server
        beside = kura("verify")
        assert (beside.returncode, beside.stdout.partition(";")[0]) == (0, alone.stdout.partition(";")[0])
        (docs / "travel.md").write_text("# Travel\n\nSomething else.\n")
        changed = kura("verify", "--json")
        assert changed.returncode == 1
        assert json.loads(changed.stdout)["sources"][0]["changed"] == ["travel.md"]
        assert kura("verify", "nobody").returncode == 2
        # another generation answers, at once
        chunks = lambda: {hit["chunk_id"] for hit in post(f"{found[0]}/v1/search", {"question": HOTEL})["hits"]}  # noqa: E731
        second = chunks()
        switched = kura("index", "switch", "1")
        assert (switched.returncode, switched.stdout[:26]) == (0, "Generation 1 answers now (")
        assert "set them back" in switched.stderr
        assert chunks().isdisjoint(second)
        assert [one["answers"] for one in json.loads(kura("index", "list", "--json").stdout)] == [True, False]
        assert kura("index", "switch", "7").stderr.startswith("kura: There is no generation 7")
        refused = kura("index", "drop", "1")
        assert (refused.returncode, "Generation 1 answers" in refused.stderr) == (1, True)
        assert kura("index", "drop", "2").stdout == "Generation 2 is gone.\n"
        # made anew, and taken away
        repaired = kura("repair")
        assert (repaired.returncode, "Made anew: 4 passages." in repaired.stdout) == (0, True)
        nobody = kura("remove", "nobody")
        assert (nobody.returncode, "There is no source nobody" in nobody.stderr) == (1, True)
        assert kura("remove", "docs").stdout == "Removed docs: 3 documents.\n"
        assert chunks() == set()
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)
        logs.join(PATIENCE_S)
