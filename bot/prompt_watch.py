"""Looks on while a question is answered: which passages the model was given, and what it wrote before it was checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.outputs import LLMResult

from bot.prompting import Prompt
from retrieval.documents import Hit


class PromptWatch(BaseCallbackHandler):
    """A callback of one question's run. `written` is the model's text as it came; empty if it was not asked."""

    def __init__(self) -> None:
        self.passages: Sequence[Hit] = ()
        self.written = ""

    def on_chain_end(self, outputs: Any, **_: Any) -> None:
        """Note the passages when the prompt is there."""
        if isinstance(outputs, Prompt):
            self.passages = outputs.passages

    def on_llm_end(self, response: LLMResult, **_: Any) -> None:
        """Note what the model wrote."""
        self.written = response.generations[0][0].text
