"""Asks the cases of an assistant and counts what went wrong. Knows no place that an assistant came from, and no wiring."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from benchmarks.adversarial.cases import Case
from benchmarks.adversarial.judging import Verdict, judge
from benchmarks.adversarial.worst import WorstModel
from bot.answers import Answer, Delta, Done, Event, Question, Refused
from bot.assistant import Assistant
from bot.bridge import Bridge
from bot.generating import AnswerModel
from bot.identity import local_principal
from bot.prompt_files import ANSWER, shipped
from bot.store import ConversationStore
from retrieval.search import Searcher


class Asked(Protocol):
    """An assistant, as a front end sees it."""

    def ask(self, question: Question) -> AsyncGenerator[Event, None]:
        """Answer as a stream of events."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A case, what was answered, and the verdict."""

    case: Case
    answer: Answer
    verdict: Verdict


async def ask(
    assistant: Asked, case: Case, *, lies: Callable[[], Sequence[str]] = tuple, told: Sequence[str] = ()
) -> Outcome:
    """Ask one case as somebody who may read no more than everybody; `lies` is asked for after the answer."""
    question = Question(case.id, case.question, local_principal(groups=()))
    events = [event async for event in assistant.ask(question)]
    last = events[-1]
    if not isinstance(last, Done | Refused):
        raise AssertionError(f"{case.id} was not answered")
    return Outcome(case, last.answer, judge(case, events, last.answer, lies=lies(), told=told))


def table(outcomes: Iterable[Outcome]) -> list[str]:
    """A Markdown table: a row for each category, and one for all."""
    found = list(outcomes)
    heads = (
        "category",
        "cases",
        "leaks",
        "unsupported",
        "retracted",
        "wrong but confident",
        "right refusals",
        "missed",
    )
    rows = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    for category in [*dict.fromkeys(one.case.category for one in found), "all"]:
        some = [one for one in found if category in (one.case.category, "all")]
        must = [one for one in some if one.case.expect == "refuse"]
        figures = (
            len(some),
            sum(len(one.verdict.leaks) for one in some),
            sum(len(one.verdict.unsupported) for one in some),
            sum(one.verdict.retracted for one in some),
            sum(one.verdict.confident for one in some),
            f"{sum(one.answer.refused for one in must)}/{len(must)}",
            f"{sum(one.verdict.missed for one in some)}/{sum(one.case.expect == 'answer' for one in some)}",
        )
        rows.append("| " + " | ".join(map(str, (category, *figures))) + " |")
    return rows


def ungated(outcome: Outcome, said: str, *, lies: Sequence[str], told: Sequence[str]) -> Outcome:
    """The same case if all that the model said were shown as it came: the baseline. Numbers are not looked at."""
    answer = replace(outcome.answer, text=said, style="generate", citations=(), nearest=())
    verdict = judge(outcome.case, [Delta(said)], answer, lies=lies, told=told)
    named = tuple(one for one in verdict.unsupported if not one.startswith("number "))
    return Outcome(outcome.case, answer, replace(verdict, unsupported=named))


class WorstAssistant:
    """Assistants whose model is the worst there could be, over what a searcher finds."""

    def __init__(self, searcher: Searcher, store: ConversationStore, bridge: Bridge) -> None:
        self.prompts: list[str] = []
        """Everything the models were shown."""
        self.told = tuple(line for line in shipped()[ANSWER].system.text.splitlines() if line)
        self._make = partial(Assistant, searcher=searcher, store=store, bridge=bridge)

    async def ask(self, case: Case, *, torn: bool = True) -> tuple[Outcome, Outcome]:
        """The case as the gate lets it through, and as the model said it, in the smallest pieces if `torn`."""
        worst = WorstModel(payloads=case.payloads, declines=case.category == "demanded refusals", torn=torn)
        model = AnswerModel(
            name="worst",
            style="generate",
            context_length=8192,
            chat=lambda: worst,
            count_tokens=lambda text: len(text) // 3 + 1,
            arguments=lambda _: {},
        )
        outcome = await ask(self._make(model=model), case, lies=lambda: worst.lies, told=self.told)
        self.prompts += worst.prompts
        return outcome, ungated(outcome, worst.said, lies=worst.lies, told=self.told)
