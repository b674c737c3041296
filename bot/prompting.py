"""Builds the prompt of the generate style, fitted into the model's context window by tokens. Knows no model.

Where reading a prompt takes long, a budget of tokens keeps the first word from being late. Passages, history and question
are message content: data, which never becomes a role or a control token (`models/templates.py` splices them as text).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from bot.store import Turn
from models.errors import PromptTooLong
from models.templates import Segment, prefix
from retrieval.documents import Hit
from retrieval.widening import narrowed

NOT_THERE = "NOT IN THE DOCUMENTS"
"""What the model is told to say when the passages do not answer; noticed in its prose."""

TOKENS_PER_MESSAGE = 32
"""Allowance for a message's role and control tokens, more than any template here needs."""
MOST_ANSWER_TOKENS = 400


@dataclass(frozen=True, slots=True)
class SystemPrompt:
    """What the model is told first, and the version under which traces and answers name it."""

    version: str
    text: str


@dataclass(frozen=True, slots=True)
class Budget:
    """Tokens of a prompt that may be read before the first word is due (None: no limit), and why so many.

    The system message is not counted: it was read before anybody asked.
    """

    tokens: int | None
    why: str


NO_BUDGET = Budget(None, "no limit: the model's speed is not known here")


@dataclass(frozen=True, slots=True)
class Plan:
    """What went into a prompt, for the trace: `tokens` is its estimated length, `offered` passages were found."""

    passages: int
    offered: int
    turns: int
    tokens: int
    budget: Budget


@dataclass(frozen=True, slots=True)
class Prompt:
    """Messages for a chat model; `passages[n - 1]` is what `[n]` names; `max_tokens` is what is left for the answer."""

    messages: tuple[BaseMessage, ...]
    passages: tuple[Hit, ...]
    max_tokens: int
    plan: Plan


def pinned(template: str, system: SystemPrompt) -> tuple[Segment, ...]:
    """What every prompt begins with, for the model to compute once: the system message in its template."""
    return prefix(template, system.text)


def build(
    question: str,
    history: Sequence[Turn],
    hits: Sequence[Hit],
    *,
    system: SystemPrompt,
    context_length: int,
    count_tokens: Callable[[str], int],
    budget: Budget = NO_BUDGET,
) -> Prompt:
    """Fit system, history, passages and question into `context_length` tokens, the answer included, and into the budget.

    The question always stands whole; then come passages, best first, then the newest turns. One passage stands there
    whatever the budget says; one that was widened and does not fit stands there as it was found. Raises PromptTooLong if
    not even the question and one passage fit into the context.
    """

    def cost(text: str) -> int:
        return count_tokens(text) + TOKENS_PER_MESSAGE

    answer_tokens = min(MOST_ANSWER_TOKENS, context_length // 4)
    fixed = cost(system.text) + cost(question)
    left = room = context_length - answer_tokens - fixed
    spare = room if budget.tokens is None else min(room, budget.tokens - cost(question))
    # 1. Passages, best first, as long as they fit whole.
    passages: list[Hit] = []
    for wide in hits:
        most = spare - (room - left) if passages else left
        for hit in (wide, narrowed(wide)):
            if (price := count_tokens(_passage(len(passages) + 1, hit)) + 2) <= most:
                break
        else:
            break
        passages.append(hit)
        left -= price
    if not passages:
        raise PromptTooLong(
            f"The question is too long for the model's context of {context_length} tokens beside the prompt {system.version}:"
            " shorten it, or set a larger model.context_length."
        )
    # 2. The newest turns, as long as they fit.
    turns: list[BaseMessage] = []
    for turn in reversed(history):
        price = cost(turn.question) + cost(turn.answer)
        if price > spare - (room - left):
            break
        turns[:0] = [HumanMessage(turn.question), AIMessage(turn.answer)]
        left -= price
    shown = "\n\n".join(_passage(n, hit) for n, hit in enumerate(passages, 1))
    last = HumanMessage(f"Passages:\n\n{shown}\n\nQuestion: {question}")
    plan = Plan(len(passages), len(hits), len(turns) // 2, fixed + room - left, budget)
    return Prompt((SystemMessage(system.text), *turns, last), tuple(passages), answer_tokens, plan)


def behind_marks(text: str) -> str:
    """The text with each line behind a mark: whatever it says, no line of it looks like a part of the prompt's form."""
    return "\n".join(f"> {line}" for line in text.splitlines())


def _passage(n: int, hit: Hit) -> str:
    where = " › ".join(" ".join(step.split()) for step in (hit.title, *hit.heading))
    return f"[{n}] {where}\n{behind_marks(hit.text)}"
