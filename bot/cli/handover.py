"""A job handed to the server that holds the data folder: one process owns the index, whoever asks.

Talks to that server alone, on this machine, with the key that it left in the data folder for whoever owns it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from bot.errors import EXIT_USAGE, BotError, Overloaded, SettingsError
from bot.reporting import ReportPayload
from bot.upkeep import UpkeepRequest, UpkeepResult
from ingest.wording import counted

if TYPE_CHECKING:
    import httpx2

    from bot.cli.ingest import Show
    from bot.ingesting import IngestRequest
    from bot.wiring.handover import RunningServer

SILENCE_S = 60.0
"""The stream of a job says something every 15 s: a server silent for this long is not there any more."""


class HandoverFailed(BotError):
    """The server that holds the data folder did not do it."""


def hand_over(
    server: RunningServer, request: IngestRequest, *, show: Callable[[], AbstractContextManager[Show]]
) -> ReportPayload:
    """Let the server carry out an ingest; its progress is shown, its report returned. Raises HandoverFailed, Overloaded.

    Interrupting this does not interrupt the job.
    """
    return ReportPayload.model_validate(_done(server, "/v1/ingest", _body(request), show))


def hand_over_upkeep(
    server: RunningServer, request: UpkeepRequest, *, show: Callable[[], AbstractContextManager[Show]]
) -> UpkeepResult:
    """As `hand_over`. Raises SettingsError too, where doing it here would end in that."""
    told = _done(server, "/v1/ingest/upkeep", asdict(request), show)
    result = TypeAdapter(UpkeepResult).validate_python(told)
    if result.fault:
        raise (SettingsError if result.exit_code == EXIT_USAGE else HandoverFailed)(result.fault)
    return result


def _done(
    server: RunningServer, route: str, body: dict[str, Any], show: Callable[[], AbstractContextManager[Show]]
) -> Any:
    """The report of a job that the server did, as JSON."""
    import httpx2

    address = f"[{server.address}]" if ":" in server.address else server.address
    client = httpx2.Client(
        base_url=f"http://{address}:{server.port}",
        headers={"Authorization": f"Bearer {server.key}", "Host": f"{server.host}:{server.port}"},
        timeout=SILENCE_S,
        trust_env=False,  # no proxy stands between a machine and itself
    )
    try:
        with client:
            job = _answer(client.post(route, json=body))["job"]
            last = _follow(client, job, show)
            if last["report"] is None:
                raise HandoverFailed(f"The server did not finish this: {last['fault'] or 'it was interrupted.'}")
            return _answer(client.get(last["report"]))
    except httpx2.HTTPError as error:
        raise HandoverFailed(
            f"The server that holds the data folder does not answer ({type(error).__name__}): look at its log, or stop it"
            " and run this again."
        ) from error


def _body(request: IngestRequest) -> dict[str, Any]:
    body: dict[str, Any] = {
        "sources": list(request.sources),
        "confirm_removal": request.confirmed,
        "dry_run": request.dry_run,
    }
    if request.paths:
        body["paths"] = [str(path) for path in request.paths]
        if request.readers:
            body["readers"] = sorted(request.readers.groups)
    return body


def _answer(response: httpx2.Response) -> Any:
    if response.is_success:
        return response.json()
    try:
        sentence = response.json()["error"]["sentence"]
    except (ValueError, KeyError, TypeError):
        sentence = f"The server answered {response.status_code}."
    if response.status_code in (429, 503):
        raise Overloaded(sentence)
    raise HandoverFailed(sentence)


def _follow(client: httpx2.Client, job: str, show: Callable[[], AbstractContextManager[Show]]) -> dict[str, Any]:
    """Show progress until the job is over; how it stands then."""
    last: dict[str, Any] = {}
    with client.stream("GET", f"/v1/ingest/{job}", headers={"Accept": "text/event-stream"}) as stream, show() as told:
        if not stream.is_success:
            stream.read()
            _answer(stream)
        for line in stream.iter_lines():
            if line.startswith("data:"):
                last = json.loads(line.removeprefix("data:"))
                for source in last.get("progress", []):
                    passages = f"{counted(source['passages'], 'passage')}  " if last["kind"] == "ingest" else ""
                    said = passages + source["item"]
                    told(source["source"], source["done"], source["total"], said, source["failed"])
    if last.get("state") not in ("done", "failed", "interrupted"):
        raise HandoverFailed(
            "The server ended, or broke off, before this was done: look at its log, and run this again."
        )
    return last
