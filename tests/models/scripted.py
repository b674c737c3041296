"""A scripted stand-in for llama.cpp's context: it checks every call, and can say what the right answer is."""

from __future__ import annotations

import math
import threading
import zlib
from array import array
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from models.cards import local_chat
from models.engine import Cancel, EngineOptions, Generation, Request, Sampling
from models.llamacpp import LlamaEngine
from models.runs import Aborted, Drawn, Run
from models.templates import Segment

END = 0
FOR_EVER = "ab" * 400
CARD = local_chat(Path("scripted.gguf"))
WAIT_S = 20.0
VOCABULARY = 128
Script = Callable[[Sequence[int], int], int]
"""The next token, from all tokens of the sequence and the number of tokens drawn so far."""


def says(answer: str) -> Script:
    """Every prompt is answered with this."""
    return lambda _, drawn: ord(answer[drawn]) if drawn < len(answer) else END


def follows(tokens: Sequence[int], _: int = 0) -> int:
    """A token that depends on every token before it: a crossed or stale memory gives another answer. Ends now and then."""
    code = zlib.crc32(array("i", tokens).tobytes())
    return END if code % 17 == 0 else 97 + code % 26


def expected(prompt: str, most: int) -> str:
    """What an engine must answer under the script `follows`."""
    tokens = [ord(character) for character in prompt]
    while len(tokens) - len(prompt) < most and (token := follows(tokens)) != END:
        tokens.append(token)
    return "".join(map(chr, tokens[len(prompt) :]))


HELLO = says("hello")


class ScriptedVocabulary:
    """Tokens are characters (code points), `END` ends an answer."""

    special_tokens: Mapping[int, str] = {END: "<end>"}
    bos: int | None = None

    def tokenize(self, text: str, *, special: bool) -> list[int]:
        return [ord(character) for character in text]

    def is_end(self, token: int) -> bool:
        return token == END

    def piece(self, token: int) -> bytes:
        return chr(token).encode()


class ScriptedContext:
    """Sequences of tokens. `before_decode` may block, raise, cancel; `cuttable` False is a memory that cannot be cut."""

    def __init__(
        self, script: Script = HELLO, *, sequences: int = 2, context_length: int = 1000, batch_size: int = 512
    ) -> None:
        self.sequences = sequences
        self.context_length = context_length
        self.batch_size = batch_size
        self.vocabulary = ScriptedVocabulary()
        self.script = script
        self.cuttable = True
        self.held: list[list[int]] = [[] for _ in range(sequences)]
        self.steps: list[list[Run]] = []
        self.adapters: list[str] = []
        self.restored = 0
        self.samplers = 0
        self.threads: set[int] = set()
        self.closed = False
        self.before_decode: Callable[[], None] = lambda: None
        self.aborted = threading.Event()
        self._adapter = ""
        self._outputs: list[list[int]] = []

    @property
    def decoded(self) -> list[int]:
        """Tokens of each step."""
        return [sum(len(run.tokens) for run in step) for step in self.steps]

    def decode(self, runs: Sequence[Run]) -> list[int]:
        assert sum(len(run.tokens) for run in runs) <= self.batch_size
        order = [run.sequence for run in runs]
        assert order == sorted(order), "llama.cpp would need several passes"
        self.threads.add(threading.get_ident())
        self.steps.append(list(runs))
        self.adapters.append(self._adapter)
        self._outputs, places = [], []
        for run in runs:
            held = self.held[run.sequence]
            assert run.position == len(held), "a token would stand at the wrong place"
            for number, token in enumerate(run.tokens):
                held.append(token)
                if number == len(run.tokens) - run.outputs:
                    places.append(len(self._outputs))
                if number >= len(run.tokens) - run.outputs:
                    self._outputs.append(list(held))
            if not run.outputs:
                places.append(len(self._outputs))
            assert len(held) <= self.context_length
        self.before_decode()
        if self.aborted.is_set():
            self.aborted.clear()
            raise Aborted
        return places

    def abort(self) -> None:
        self.aborted.set()

    def keep(self, sequence: int, count: int) -> int:
        if not self.cuttable and 0 < count < len(self.held[sequence]):
            count = 0
        del self.held[sequence][count:]
        return count

    def fork(self, source: int, target: int) -> None:
        self.held[target] = list(self.held[source])

    def saved_size(self, sequence: int) -> int:
        return 4 * len(self.held[sequence])

    def save(self, sequence: int) -> bytes:
        return array("i", self.held[sequence]).tobytes()

    def restore(self, sequence: int, saved: bytes) -> bool:
        tokens = array("i")
        tokens.frombytes(saved)
        self.held[sequence] = list(tokens)
        self.restored += 1
        return True

    def use_adapter(self, name: str) -> None:
        self._adapter = name

    def logits(self, place: int) -> np.ndarray:
        seed = zlib.crc32(array("i", self._outputs[place]).tobytes())
        return np.random.default_rng(seed).normal(size=VOCABULARY).astype(np.float32)

    def sampler(self, sampling: Sampling, grammar: str) -> ScriptedSampler:
        self.samplers += 1
        return ScriptedSampler(self)

    def close(self) -> None:
        self.closed = True


class ScriptedSampler:
    def __init__(self, context: ScriptedContext) -> None:
        self._context = context
        self._drawn = 0
        self._closed = False

    def draw(self, place: int) -> Drawn:
        assert not self._closed
        token = self._context.script(self._context._outputs[place], self._drawn)
        self._drawn += 1
        return Drawn(token, math.log(0.5), ((token, math.log(0.5)), (END, math.log(0.25))))

    def close(self) -> None:
        assert not self._closed
        self._closed = True
        self._context.samplers -= 1


class ScriptedBackend:
    """A backend over scripted contexts."""

    def __init__(self, context: ScriptedContext, scoring: ScriptedContext | None = None) -> None:
        self.context = context
        self.scoring = scoring or ScriptedContext(sequences=8)

    def scoring_context(self) -> ScriptedContext:
        return self.scoring

    def grammar(self, sampling: Sampling) -> str:
        return sampling.grammar

    def abort(self) -> None:
        self.context.abort()
        self.scoring.abort()

    def close(self) -> None:
        self.context.close()
        self.scoring.close()


class Gate:
    """Blocks the engine's thread in `decode` until it is opened."""

    def __init__(self) -> None:
        self.reached, self.opened = threading.Event(), threading.Event()

    def __call__(self) -> None:
        self.reached.set()
        if not self.opened.wait(WAIT_S):
            raise AssertionError("the gate was never opened")


def over(context: ScriptedContext, **options: object) -> LlamaEngine:
    """An engine over a scripted context."""
    pinned = options.pop("pinned", ())
    adapters = options.pop("adapters", {})
    return LlamaEngine(
        CARD,
        EngineOptions(**options),  # type: ignore[arg-type]
        pinned=pinned,  # type: ignore[arg-type]
        adapters=adapters,  # type: ignore[arg-type]
        open_backend=lambda: ScriptedBackend(context),
    )


def request(prompt: str = "prompt", **given: object) -> Request:
    asked: dict[str, object] = {"principal_key": "ann", "max_tokens": 900, "deadline_s": WAIT_S} | given
    return Request((Segment(prompt),), **asked)  # type: ignore[arg-type]


def ask(engine: LlamaEngine, prompt: str = "prompt", *, cancel: Cancel | None = None, **given: object) -> Generation:
    return engine.generate(request(prompt, **given), cancel=cancel)
