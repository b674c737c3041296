"""One question on its way to its answer: its clock, its run, and what the answer is made of. Knows no step of the way."""

from __future__ import annotations

import time
from collections.abc import Sequence

from bot.answers import Answer, Citation, Nearest, Question, Style, Timings, Usage


class Course:
    """What is noted while a question is answered; `trace_id` names its run, `model` what answers."""

    def __init__(self, question: Question, trace_id: str, model: str) -> None:
        self.question = question
        self.trace_id = trace_id
        self.model = model
        self.prompt = ""
        self.search_ms = 0.0
        self.first_ms = 0.0
        self.removed: Sequence[str] = ()
        """What the model said and no passage says."""
        self._start = time.perf_counter()

    def elapsed_ms(self) -> float:
        """Milliseconds since the question was taken up."""
        return (time.perf_counter() - self._start) * 1000

    def first_token(self) -> None:
        """Note the moment the first word of the answer is there."""
        self.first_ms = self.first_ms or self.elapsed_ms()

    def answer(
        self,
        text: str,
        style: Style,
        *,
        citations: Sequence[Citation] = (),
        nearest: Sequence[Nearest] = (),
        usage: Usage = Usage(),  # noqa: B008 (frozen)
    ) -> Answer:
        """The final answer, with the time it took so far."""
        self.first_token()
        return Answer(
            id=self.question.id,
            question=self.question.text,
            text=text,
            style=style,
            citations=tuple(citations),
            nearest=tuple(nearest),
            model=self.model,
            usage=usage,
            timings=Timings(round(self.search_ms, 2), round(self.first_ms, 2), round(self.elapsed_ms(), 2)),
            trace_id=self.trace_id,
            thread=self.question.thread,
            prompt=self.prompt,
        )
