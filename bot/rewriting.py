"""A model makes a question stand alone and takes it apart, in one call; what it says is used only if it can be trusted.

The conversation is quoted to the model as data, and its words are checked: a name, number or date must neither be lost nor
come in. Whatever goes wrong (a fault, no time, nonsense) is told in `Rewriting.why`, and the model-free way goes on. Knows no
search and no evidence.
"""

from __future__ import annotations

import asyncio
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage
from langchain_core.runnables import RunnableConfig

from bot.agreement import denies
from bot.finding import Recalled
from bot.followup import Reading, Readings, meant
from bot.generating import AnswerModel, ModelCall
from bot.prompting import SystemPrompt, behind_marks
from bot.store import Turn
from retrieval.terms import is_function, terms

SCHEMA: dict[str, Any] = {
    "title": "rewriting",
    "type": "object",
    "properties": {
        "question": {"type": "string"},
        "searches": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["question", "searches"],
    "additionalProperties": False,
}
"""What the model is bound to answer; the prompt says what the fields mean."""
MOST_PARTS = 3
MOST_TOKENS = 300
"""Of the model's answer: four questions and the JSON around them."""
MOST_CHARACTERS = 500
"""Of a rewritten question: a longer one is no question; and of each earlier answer that the model is shown."""
MOST_TURNS = 4
"""The newest turns that the model is shown."""
PATIENCE_S = 8.0
"""Seconds, waiting in the queue included, until the model-free way goes on: half of what a first word may take by default."""

_HARD = re.compile(r"[A-ZÀ-Þ][\w’'-]*|(?<![A-Za-z])[A-Za-z]*+-?\d[A-Za-z0-9.,:-]*|[ァ-ヺー]{2,}")
_WORD = re.compile(r"[A-Za-zÀ-ÿ]{3,}")
_KANJI = re.compile(r"[一-鿿々]{2,}|[一-鿿々](?=[はがをので])")
_PARTS = re.compile(
    r"[?？][^\w?？]*\w[^?？]*[?？]|\b(?:and|or)\s+(?:also\s+)?(?:what|which|who|when|where|how|why|is|are|does|do|can|may|must)\b"
    r"|それぞれ|(?:か|は)[、。]\s*(?:また|それと|あと|そして)",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Rewriting:
    """What a model made of a question: it, standing alone, and the `parts` to search for besides. For the trace, too.

    `why` says why it is not used; then the other fields are what the model said, if it said anything.
    """

    query: str = ""
    parts: tuple[str, ...] = ()
    why: str = ""
    prompt: str = ""

    @property
    def readings(self) -> Readings | None:
        """The question as it is to be taken now; None if the rewriting is not used."""
        return None if self.why else Readings((Reading(self.query, parts=self.parts),), leans=True)


class Rewriter:
    """Asks the model that answers; `prompt` is what it is told."""

    def __init__(self, model: AnswerModel, prompt: SystemPrompt) -> None:
        self._model = model
        self._prompt = prompt

    def wanted(self, recalled: Recalled) -> bool:
        """Whether to ask before the first search: the question leans on its conversation, or plainly has several parts."""
        return recalled.readings.leans or bool(_PARTS.search(recalled.question.text))

    async def rewrite(self, recalled: Recalled, config: RunnableConfig) -> Rewriting:
        """One call of the model, within `PATIENCE_S`. Never raises but for a cancel."""
        asked, history = recalled.question, recalled.history
        try:
            chat = await asyncio.to_thread(self._model.chat)  # opened for the answer as well: that may take its time
            async with asyncio.timeout(PATIENCE_S):
                said = await self._ask(chat, recalled, config)
        except TimeoutError:
            return Rewriting(why=f"the model took longer than {PATIENCE_S:g} s", prompt=self._prompt.version)
        except Exception as error:  # noqa: BLE001 - whatever a model raises, the answer does without it
            return Rewriting(why=f"the model failed ({type(error).__name__}: {error})", prompt=self._prompt.version)
        made = _read(said)
        if made is None:
            return Rewriting(why="the model's answer has not the form asked for", prompt=self._prompt.version)
        query, parts = made
        return Rewriting(query, parts, objection(asked.text, history, query, parts), self._prompt.version)

    async def _ask(self, chat: BaseChatModel, recalled: Recalled, config: RunnableConfig) -> object:
        asked = recalled.question
        call = ModelCall(asked.principal, asked.thread, MOST_TOKENS, lambda waiting: None)
        messages: list[BaseMessage] = [
            SystemMessage(self._prompt.text),
            HumanMessage(shown(asked.text, recalled.history)),
        ]
        return await chat.with_structured_output(SCHEMA).ainvoke(messages, config, **self._model.arguments(call))


def shown(question: str, history: Sequence[Turn]) -> str:
    """Conversation and question as the model reads them: each line behind a mark, so that none looks like the form itself."""
    parts = [
        f"{who}:\n{behind_marks(text[:MOST_CHARACTERS])}"
        for turn in history[-MOST_TURNS:]
        for who, text in (("ASKED", turn.question), ("ANSWERED", turn.answer))
    ]
    return "\n\n".join([*parts, f"NEWEST QUESTION:\n{behind_marks(question)}"])


def objection(question: str, history: Sequence[Turn], query: str, parts: Sequence[str]) -> str:
    """Why a rewriting may not be searched for; "" if it may.

    Names, numbers and dates are told by their form: capitals, digits, katakana. Each of query and parts must stand in question
    or conversation. Whatever the question says must stand in the query, but for what it takes back itself ("not in Japan"),
    and what it denies must be denied; of a question that begins a conversation the parts must hold all of it together, too:
    nothing but its own words tells that they do not ask for something else.
    """
    if not query or not all(parts) or max(map(len, (query, *parts))) > MOST_CHARACTERS:
        return "a question is empty or too long"
    told = "\n".join((question, *(text for turn in history for text in (turn.question, turn.query, turn.answer))))
    said = _kept(question, history)
    if denies(said) != denies(query) and (denies(said) or not history):
        return "the query does not deny what the question denies, or the other way round"
    for text in (query, *([" ".join(parts)] if parts and not history else [])):
        lost = [word for word in (*_hard(said), *_soft(said)) if not _stands(word, text)]
        if lost:
            return f"the query loses {lost[0]}"
    brought = [word for text in (query, *parts) for word in _hard(text) if not _stands(word, told)]
    return f"{brought[0]} stands neither in the question nor before it" if brought else ""


def _kept(question: str, history: Sequence[Turn]) -> str:
    """What the question means; "not" takes back only what was said before, and else denies."""
    said = meant(question)
    before = "\n".join(text for turn in history for text in (turn.question, turn.query))
    back = [word for word in (*_hard(question), *_soft(question)) if not _stands(word, said)]
    denied = denies(question) and not denies(said) and back
    return question if denied and not any(_stands(word, before) for word in back) else said


def _hard(text: str) -> Iterator[str]:
    """Names, numbers and dates; a word that only begins a sentence is one unless it is of any text."""
    for found in _HARD.finditer(unicodedata.normalize("NFKC", text)):
        if not all(map(is_function, terms(found[0]))):
            yield found[0].rstrip(".,:-")


def _soft(text: str) -> Iterator[str]:
    """The other words of meaning: English words, and the kanji of Japanese ones but for a lone sign, which is often a verb's."""
    plain = unicodedata.normalize("NFKC", text)
    yield from (word for word in _WORD.findall(plain) if not all(map(is_function, terms(word))))
    yield from (found for found in _KANJI.findall(plain) if found[0] not in "何幾")


def _stands(word: str, text: str) -> bool:
    return {*terms(word)} <= {*terms(text)}


def _read(said: object) -> tuple[str, tuple[str, ...]] | None:
    """Query and parts out of a model's JSON; None if it has another form."""
    if not isinstance(said, dict):
        return None
    query, parts = said.get("question"), said.get("searches")
    if not isinstance(query, str) or not isinstance(parts, list) or not all(isinstance(one, str) for one in parts):
        return None
    plain = [" ".join(text.split()) for text in (query, *parts[:MOST_PARTS])]
    return plain[0], tuple(part for part in dict.fromkeys(plain[1:]) if part != plain[0])
