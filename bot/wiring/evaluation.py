"""What an evaluation needs of an installation: what is measured, by name and checksum, an assistant to ask, and the judge."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.calibration.storing import standing
from bot.errors import SettingsError
from bot.evaluation.runs import Measured, Run, Subject, make_run
from bot.evidence import ENOUGH, VERSION
from bot.identity import local_principal
from bot.prompt_files import ANSWER, load_prompts
from bot.settings import Settings
from bot.settings_file import shown
from bot.upkeep import EvaluationOrder, Note
from ingest.reports import Progress
from models.gguf import checksum
from retrieval import generations
from retrieval.access import Principal
from retrieval.database import reading
from retrieval.generations import Generation

if TYPE_CHECKING:
    from bot.assistant import Assistant
    from bot.evaluation.judging import Judge
    from bot.wiring import Kura
    from retrieval.search import Searcher

_DIGITS = 12
"""Of the digest of the documents, in hexadecimal."""
_NO_BEARING = frozenset({"data_dir", "sources", "server", "discord"})
"""Settings that no answer depends on, once the documents are in the index."""


def subject(kura: Kura, generation: int | None = None) -> Subject:
    """What answers here, or would with another generation. Raises what opening the index and naming the model raise; no model
    is loaded.
    """
    with reading(kura.index.engine) as connection:
        current = kura.index.answering(connection)
        found = (
            next((one for one in generations.every(connection) if one.id == generation), None)
            if generation
            else current
        )
        documents = ""
        if found:
            documents = (
                f"{generations.counts(connection, found)[0]:,} ({generations.contents(connection, found)[:_DIGITS]})"
            )
    return Subject(
        kura=metadata.version("kurabot"),
        model=kura.model.name,
        model_sha256=_checksum(kura.settings),
        style=kura.model.style,
        prompt=kura.model.prompt_version,
        prompt_text=kura.model.system.text if kura.model.prompt_version else "",
        evidence=VERSION,
        threshold=_threshold(kura.settings.data_dir, found),
        recipe=found.recipe if found else "",
        documents=documents,
        embedder=found.fingerprint if found else "",
        generation=found.id if found else None,
        settings=_bearing(kura.settings) | (_other_prompts(kura.settings) if varies(kura) else {}),
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


def evaluate(kura: Kura, order: EvaluationOrder, note: Note) -> Run:
    """Ask a suite as it is ordered, and keep the run. Raises SuiteError, RunError, and what no case could be asked with."""
    from bot.evaluation.running import run
    from bot.evaluation.runs import RunStore
    from bot.evaluation.suite import load

    suite = load(Path(order.suite))
    who = local_principal(order.as_name, order.groups)
    judge = make_judge(kura, principal=who) if order.judge else None
    measured, started = subject(kura), datetime.now(UTC)
    trials = order.trials if varies(kura) else 1
    with asking(kura, kura.searcher) as (assistant, runner):
        runner.run(assistant.warm_up())  # no case pays for loading
        records = runner.run(
            run(
                suite,
                assistant.ask,
                assistant.search,
                principal_of=lambda case: local_principal(order.as_name, case.groups or order.groups),
                trials=trials,
                judge=judge,
                on_progress=lambda done, total, _: note(Progress(suite.name, done, total, "")),
            )
        )
    asked_as = f"{who.id} ({', '.join(sorted(who.groups))})"
    made = make_run(Measured(suite, measured, asked_as, trials, started, records, judge.pin if judge else None))
    RunStore(kura.settings.data_dir).put(made)
    return made


def varies(kura: Kura) -> bool:
    """Whether the same question may have another answer the next time: a model writes it."""
    return kura.model.style == "generate"


@contextmanager
def asking(kura: Kura, searcher: Searcher) -> Iterator[tuple[Assistant, asyncio.Runner]]:
    """An assistant over a searcher, and the one event loop its calls belong to; both are gone at the end.

    A server's own loop goes on meanwhile. A component's connections belong to the loop of its first call, so that it is made
    anew here. Raises what the index raises, and what making a component does.
    """
    from bot.bridge import Bridge
    from bot.wiring.models import answer_model

    with ExitStack() as stack:
        model = kura.model
        if kura.settings.model.component:
            model = answer_model(kura.settings, stack, style=model.style, alone=True, system=model.system)
        bridge = Bridge()
        runner = stack.enter_context(asyncio.Runner())
        stack.callback(bridge.close)
        assistant = kura.assistant_with(searcher, bridge, model)
        runner.run(bridge.run(searcher.probe))  # what no case could be asked with is told once
        yield assistant, runner


def _other_prompts(settings: Settings) -> dict[str, str]:
    prompts = load_prompts(settings.answer.prompts)
    return {f"prompt {name}": one.version for name, one in prompts.items() if name != ANSWER}


def _threshold(folder: Path, generation: Generation | None) -> str:
    calibration = standing(folder, generation).calibration
    if calibration is None:
        return f"{ENOUGH:g}, the default"
    return ", ".join(
        [f"{calibration.threshold:g}", *(f"{name} {one:g}" for name, one in sorted(calibration.by_language.items()))]
    )


def _bearing(settings: Settings) -> dict[str, Any]:
    """What answers depend on, secrets masked, as JSON holds it: paths need not be text."""
    told = {key: value for key, value in shown(settings).items() if key.split(".")[0] not in _NO_BEARING}
    if (
        settings.search.glossary and settings.search.glossary.is_file()
    ):  # as the prompt's version: what stands in the file counts, not where it lies
        told["glossary sha256"] = checksum(settings.search.glossary)
    plain: dict[str, Any] = json.loads(json.dumps(told, ensure_ascii=False).encode("utf-8", "replace"))
    return plain


def _checksum(settings: Settings) -> str:
    """Of the local model's file as it was installed; "" for a model that is none."""
    from bot.wiring.models import model_card

    if settings.model.component or settings.model.servers:
        return ""
    card = model_card(settings)
    return card.sha256 or checksum(card.path)
