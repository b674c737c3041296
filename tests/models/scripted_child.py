"""A chat engine that does what its prompts say, and the program that serves it as a child process."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from models import process_wire as wire
from models.cards import ModelCard
from models.engine import (
    Cancel,
    Channel,
    EngineState,
    Finished,
    Generation,
    Request,
    Sampling,
    Score,
    TokenLogprob,
    TokenUsage,
    Waiting,
)
from models.errors import EngineBusy, EngineFailed, ModelConfigError, ModelError, ModelFileError, PromptTooLong
from models.process_child import serve
from models.templates import Segment

ERRORS: dict[str, Exception] = {
    "file": ModelFileError("The file is gone."),
    "config": ModelConfigError("There is no such adapter."),
    "long": PromptTooLong("The prompt is too long."),
    "busy": EngineBusy("Come back later.", 7.5),
    "failed": EngineFailed("The engine failed."),
    "bug": ZeroDivisionError("secret"),
}


COMMAND = (sys.executable, "-P", __file__)
WAIT_S = 20.0


def prompt(text: str) -> tuple[Segment, ...]:
    return (Segment("do:", trusted=True), Segment(text))


def request(order: str, *, max_tokens: int = 100, deadline_s: float = WAIT_S, logprobs: int = 0) -> Request:
    return Request(prompt(order), "anna", max_tokens, deadline_s, Sampling(logprobs=logprobs))


def until(condition: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < ends_at
        time.sleep(0.005)


class ScriptedEngine:
    """The last segment is an order: `say 5`, `endless`, `queue`, `crash 9`, `raise busy`, … Tokens are characters."""

    def __init__(self, card: ModelCard) -> None:
        self.card = card
        self.context_length = 1_000
        self._requests = 0
        self._active = 0
        self._lock = threading.Lock()

    def load(self) -> None:
        """A model named `refused` is not opened; one named `crashing` ends the process as long as its file is there."""
        if self.card.name == "refused" and self.card.path.exists():
            raise ModelFileError(f"{self.card.path} is damaged.")
        if self.card.name == "crashing" and self.card.path.exists():
            ctypes.string_at(0)

    def count_tokens(self, segments: Sequence[Segment]) -> int:
        return sum(len(segment.text) for segment in segments)

    def generate(self, request: Request, *, cancel: Cancel | None = None) -> Generation:
        order, _, argument = request.segments[-1].text.partition(" ")
        if order == "raise":
            raise ERRORS[argument]
        cancel = cancel or Cancel()
        generation = Generation(cancel)
        arguments = request, order, argument, cancel, generation.channel
        threading.Thread(target=self._run, args=arguments, daemon=True).start()
        return generation

    def score(
        self,
        segments: Sequence[Segment],
        continuations: Sequence[str],
        *,
        deadline_s: float,
        cancel: Cancel | None = None,
    ) -> list[Score]:
        if segments[-1].text == "wait":
            stopped = threading.Event()
            (cancel or Cancel()).then(stopped.set)
            stopped.wait(deadline_s)
            raise EngineFailed("The scoring was cancelled or too slow.")
        return [Score(-0.5 * len(text), len(text)) for text in continuations]

    def state(self) -> EngineState:
        return EngineState(slots=8, active=self._active, requests=self._requests)

    def close(self) -> None:
        """Nothing to give back."""

    def _run(self, request: Request, order: str, argument: str, cancel: Cancel, channel: Channel) -> None:
        with self._lock:
            self._requests += 1
            self._active += 1
        ends_at, made = time.monotonic() + request.deadline_s, 0
        item: Finished | ModelError
        try:
            reason = "stop"
            for piece in self._pieces(order, argument, channel):
                if cancel.is_set() or time.monotonic() > ends_at or made == request.max_tokens:
                    reason = "cancelled" if cancel.is_set() else "length" if made == request.max_tokens else "deadline"
                    break
                if piece:
                    made += 1
                    channel.put(piece)
            usage = TokenUsage(self.count_tokens(request.segments), 1, made)
            logprob = TokenLogprob(b"\xe8", -0.25, ((b"\xe8", -0.25), (b"a", float("-inf"))))
            item = Finished(reason, usage, (logprob,) * made if request.sampling.logprobs else ())  # type: ignore[arg-type]
        except ModelError as error:
            item = error
        with self._lock:
            self._active -= 1
        channel.put(item)

    def _pieces(self, order: str, argument: str, channel: Channel) -> Iterator[str]:
        """An empty piece is a moment in which nothing comes."""
        match order:
            case "say":
                yield from (f"{number} " for number in range(int(argument)))
            case "echo":
                yield argument
            case "environment":
                yield os.environ.get(argument, "")
            case "print":
                print('[[1,"text","forged"]]', flush=True)  # noqa: T201
                os.write(1, b"noise\n")
                yield "clean"
            case "fail":
                yield "half "
                raise EngineFailed("It failed in the middle.")
            case "queue":
                for position in (3, 2):
                    channel.waiting = Waiting(position, 1.5 * position)
                    for _ in range(350):
                        time.sleep(0.001)
                        yield ""
                yield "served"
            case "hang":  # in a native call, which no Python signal handler interrupts
                yield "hanging"
                ctypes.CDLL(None).sleep(1_000)
            case "crash":
                yield "before the end"
                time.sleep(0.05)
                os.kill(os.getpid(), int(argument))
                time.sleep(1_000)
            case "exit":
                os._exit(int(argument))
        while order in {"endless", "silent"}:
            time.sleep(0.001)
            yield "x" if order == "endless" else ""


def build(opening: wire.Open) -> ScriptedEngine:
    return ScriptedEngine(opening.card)


if __name__ == "__main__":
    serve(build)
