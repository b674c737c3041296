"""What can go wrong with an evaluation.

EvaluationError(BotError)
├── SuiteError          a file of cases cannot be read, or says what cannot be
├── RunError            a stored run cannot be found, read or compared
├── GoldenWorse         what would answer fares worse with the golden questions
└── GoldenUnasked       not all of them could be asked, which says nothing of what would answer
"""

from __future__ import annotations

from bot.errors import BotError


class EvaluationError(BotError):
    """Any fault of an evaluation; its message is one sentence for people."""


class SuiteError(EvaluationError):
    """The suite cannot be used."""


class RunError(EvaluationError):
    """The run cannot be used."""


class GoldenWorse(EvaluationError):
    """Another index, model, prompt or setting does not answer; the message says which questions it answers worse."""


class GoldenUnasked(EvaluationError):
    """Golden questions could not be asked, so that nothing was compared; the message says which, and why."""
