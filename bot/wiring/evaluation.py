"""What an evaluation needs of an installation: what is measured, by name and checksum, and the judge."""

from __future__ import annotations

import asyncio
import json
from importlib import metadata
from typing import TYPE_CHECKING, Any

from bot.errors import SettingsError
from bot.evaluation.errors import SuiteError
from bot.evaluation.runs import Subject
from bot.identity import local_principal
from bot.settings import Settings
from bot.settings_file import shown
from retrieval.access import Principal
from retrieval.database import reading

if TYPE_CHECKING:
    from collections.abc import Callable

    from bot.evaluation.judging import Judge
    from bot.evaluation.outcomes import CaseRecord
    from bot.wiring import Kura
    from ingest.reports import Progress

_NO_BEARING = frozenset({"data_dir", "sources", "server", "discord"})
"""Settings that no answer depends on, once the documents are in the index."""


def subject(kura: Kura) -> Subject:
    """What answers here. Raises what opening the index and naming the model raise; no model is loaded."""
    with reading(kura.index.engine) as connection:
        generation = kura.index.answering(connection)
    return Subject(
        kura=metadata.version("kurabot"),
        model=kura.model.name,
        model_sha256=_checksum(kura.settings),
        style=kura.model.style,
        prompt=kura.model.prompt_version,
        embedder=generation.fingerprint if generation else "",
        generation=generation.id if generation else None,
        settings=_bearing(kura.settings),
    )


def make_judge(kura: Kura, *, principal: Principal) -> Judge:
    """The configured model as a judge; raises SettingsError unless it is a file here, which a checksum can pin."""
    from bot.evaluation.judging import Judge

    checksum = _checksum(kura.settings)
    if not checksum:
        raise SettingsError(
            "A judge is pinned by the checksum of its file, and the model that is set runs on a server: set a local model"
            " with model.name or model.path, or leave --judge out."
        )
    return Judge(kura.model, model_sha256=checksum, principal=principal)


def golden_objection(kura: Kura, former: int, made: int, on_progress: Callable[[Progress], None]) -> str:
    """Why generation `made` may not answer in place of `former`, by the golden questions; "" if it may, or there are none."""
    from bot.bridge import Bridge
    from bot.evaluation.gate import objection
    from bot.evaluation.running import run
    from bot.evaluation.suite import load
    from bot.wiring.search import make_searcher
    from ingest.reports import Progress

    chosen = kura.settings.answer
    if chosen.golden is None:
        return ""
    try:
        suite = load(chosen.golden)
    except SuiteError as error:
        return f"the golden questions cannot be asked ({error})"

    def answers(generation: int) -> list[CaseRecord]:
        bridge = Bridge()
        assistant = kura.assistant_with(make_searcher(kura.settings, kura.index, generation=generation), bridge)
        try:
            return asyncio.run(
                run(
                    suite,
                    assistant.ask,
                    assistant.search,
                    principal_of=lambda case: local_principal("golden questions", case.groups),
                    on_progress=lambda done, total, record: on_progress(
                        Progress(f"(golden questions, generation {generation})", done, total, record.case.question)
                    ),
                )
            )
        finally:
            bridge.close()

    return objection(answers(former), answers(made), chosen.golden_loss)


def _bearing(settings: Settings) -> dict[str, Any]:
    """What answers depend on, secrets masked, as JSON holds it: paths need not be text."""
    told = {key: value for key, value in shown(settings).items() if key.split(".")[0] not in _NO_BEARING}
    plain: dict[str, Any] = json.loads(json.dumps(told, ensure_ascii=False).encode("utf-8", "replace"))
    return plain


def _checksum(settings: Settings) -> str:
    """Of the local model's file as it was installed; "" for a model that is none."""
    from bot.wiring.models import model_card
    from models.gguf import checksum

    if settings.model.component or settings.model.servers:
        return ""
    card = model_card(settings)
    return card.sha256 or checksum(card.path)
