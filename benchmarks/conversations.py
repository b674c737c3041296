"""What it is worth to take questions as their conversation means them: answered and refused rightly, in several ways.

    python -m benchmarks.conversations [--starter] [--json FILE]

Asks `examples/conversations.yaml` over the example handbook in the quote style: each question alone, its history ignored; by its
form alone; rewritten by the starter model (`--starter`; it is not used for that, and slow); and rewritten as a perfect model
would (`examples/conversations.standalone.yaml`): the most that one could gain. Cases tagged `held-out` were written after the
rules of `bot/followup.py`, which were made with the others in view.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable

from bot.assistant import Assistant
from bot.bridge import Bridge
from bot.courtesies import courtesy
from bot.evaluation.outcomes import CaseRecord
from bot.evaluation.running import run
from bot.evaluation.suite import Case, Suite
from bot.evaluation.suite import load as load_suite
from bot.generating import AnswerModel
from bot.identity import local_principal
from bot.ingesting import IngestRequest
from bot.prompt_files import REWRITE, shipped
from bot.rewriting import Rewriter
from bot.settings import Settings, load
from bot.store import ConversationStore
from bot.wiring import Kura, open_kura
from bot.wiring.models import answer_model
from models.structured import structured

EXAMPLES = Path(__file__).parent.parent / "examples"
SUITE = EXAMPLES / "conversations.yaml"
STANDALONE = EXAMPLES / "conversations.standalone.yaml"


class Oracle(BaseChatModel):
    """Rewrites the questions it knows, and leaves any other as it is."""

    known: Mapping[str, str]
    """By the questions of a conversation, a line each."""

    @property
    def _llm_type(self) -> str:
        return "oracle"

    def with_structured_output(self, schema: object, **_: object) -> Runnable[object, object]:  # type: ignore[override]
        """Its answers, parsed."""
        return structured(self, schema, include_raw=False, method="json_schema", strict=None)  # type: ignore[arg-type]

    def _generate(self, messages: list[BaseMessage], *_: object, **__: object) -> ChatResult:
        lines = [line.removeprefix("> ") for line in messages[-1].text.splitlines()]
        asked = [lines[at + 1] for at, line in enumerate(lines) if line in {"ASKED:", "NEWEST QUESTION:"}]
        said = {"question": self.known.get("\n".join(asked), asked[-1]), "searches": []}
        message = AIMessage(json.dumps(said), response_metadata={"finish_reason": "stop"})
        return ChatResult(generations=[ChatGeneration(message=message)])


def oracle(cases: Sequence[Case]) -> Rewriter:
    """A rewriter that is always right."""
    standalone = yaml.safe_load(STANDALONE.read_text(encoding="utf-8"))
    kept = {case.id: [said for said in case.follows if not courtesy(said)] for case in cases}
    chat = Oracle(known={"\n".join((*kept[case.id], case.question)): standalone[case.id] for case in cases})
    model = AnswerModel(
        name="oracle", style="generate", context_length=4096, chat=lambda: chat, count_tokens=len, arguments=lambda _: {}
    )  # fmt: skip
    return Rewriter(model, shipped()[REWRITE].system)


def records(kura: Kura, folder: Path, cases: Sequence[Case], rewriter: Rewriter | None) -> list[CaseRecord]:
    """What came of the cases, with a store of conversations of their own."""
    folder.mkdir()
    store, bridge = ConversationStore(folder), Bridge()
    try:
        assistant = Assistant(
            searcher=kura.searcher, store=store, bridge=bridge, model=kura.model, freshness=kura.freshness, rewriter=rewriter
        )  # fmt: skip
        suite = Suite(SUITE.stem, tuple(cases))
        return asyncio.run(
            run(suite, assistant.ask, assistant.search, principal_of=lambda case: local_principal("", case.groups))
        )
    finally:
        bridge.close()
        store.close()


def right(record: CaseRecord) -> bool:
    """Whether a case was answered, or refused, as it should be."""
    return record.mean("refusal" if record.case.must_refuse else "answer") == 1.0


def figures(found: Sequence[CaseRecord]) -> dict[str, str]:
    """Rightly answered, rightly refused, and of the held-out cases both."""
    groups = {
        "answered": [one for one in found if not one.case.must_refuse],
        "refused": [one for one in found if one.case.must_refuse],
        "held-out": [one for one in found if "held-out" in one.case.tags],
        "all": list(found),
    }
    return {name: f"{sum(map(right, group))}/{len(group)}" for name, group in groups.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--starter", action="store_true", help="let the starter model rewrite, too")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    arguments = parser.parse_args()
    cases = load_suite(SUITE).cases
    alone = [case.model_copy(update={"follows": ()}) for case in cases]
    told: dict[str, dict[str, str]] = {}
    with tempfile.TemporaryDirectory(prefix="kura-benchmark-") as work:
        settings = load(EXAMPLES / "kura.toml", {"data_dir": Path(work) / "data"})
        with open_kura(settings, holder="benchmark", style="quote") as kura:
            kura.ingesting.run(IngestRequest(), lambda _: None)
            told["history ignored"] = figures(records(kura, Path(work) / "1", alone, None))
            told["by form alone"] = figures(records(kura, Path(work) / "2", cases, None))
            told["rewritten by an oracle"] = figures(records(kura, Path(work) / "3", cases, oracle(cases)))
            if arguments.starter:
                told["rewritten by the starter"] = figures(
                    records(kura, Path(work) / "4", cases, starter(settings, kura))
                )
    for way, counts in told.items():
        print(f"{way:26}", "  ".join(f"{name} {count}" for name, count in counts.items()))
    if arguments.json:
        arguments.json.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    return 0


def starter(settings: Settings, kura: Kura) -> Rewriter:
    """The rewriter that the settings do not allow: of the starter model."""
    model = answer_model(settings, kura.closing, style="generate", alone=True)
    return Rewriter(model, shipped()[REWRITE].system)


if __name__ == "__main__":
    sys.exit(main())
