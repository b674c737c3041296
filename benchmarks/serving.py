"""How fast many people are served: our engine beside a locked `Llama`, llama-server and llama-bench, in the same run.

    python benchmarks/llama_server.py FOLDER                  # once: builds the competitors
    python benchmarks/serving.py --llama FOLDER               # all rows; --rounds 3, --only crowd,json,...

On an otherwise idle machine. Every row alternates its two sides and compares medians. Without --llama, the rows that need
llama-server and llama-bench are left out, and said to be.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import llama_server
from models.cards import ModelCard, starter_chat
from models.cores import available_cores
from models.engine import EngineOptions, Request, Sampling
from models.llamacpp import LlamaEngine
from models.llamacpp_context import LlamaContext, LlamaModel
from models.process import ProcessEngine
from models.runs import Run
from models.starter import starter_requantised
from models.templates import Segment

PEOPLE = 8
PROMPT, ANSWER, CONTEXT = 1165, 100, 1536
"""Tokens of each prompt and answer, and of each sequence."""
WORDS = (
    "river stone paper lamp window garden engine copper market winter letter bridge copper salt cloud anchor".split()
)
SCHEMA = {
    "type": "array",
    "minItems": 40,
    "items": {
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
        "required": ["name", "age"],
    },
}


class Bench:
    """The models, and the rows that are measured with them."""

    def __init__(self, card: ModelCard, packaged: ModelCard, llama: Path | None, rounds: int) -> None:
        self.card = card
        self.packaged = packaged
        self.llama = llama
        self.rounds = rounds
        self.threads = available_cores()
        self.options = EngineOptions(context_length=CONTEXT, slots=PEOPLE, threads=self.threads)
        self._number = 0

    def prompt(self, count: Callable[[str], int]) -> str:
        """A text of PROMPT tokens that begins like no other."""
        self._number += 1
        chance = random.Random(self._number)  # noqa: S311 - words, not secrets
        text = f"{self._number}."
        while count(text) < PROMPT - 12:
            text += " " + " ".join(chance.choice(WORDS) for _ in range(8)) + "."
        return text

    def engine(self) -> ProcessEngine:
        """The engine as `kura serve` runs it, in a child process."""
        return ProcessEngine(self.card, self.options)

    # --- rows ---

    def crowd(self) -> None:
        """PEOPLE at once: wall time, first token, memory; ours beside a lock and llama-server."""
        from llama_cpp import Llama

        with ExitStack() as opened:
            ours = opened.enter_context(closing(self.engine()))
            ours.load()
            locked = Llama(
                str(self.card.path),
                n_ctx=CONTEXT,
                n_batch=512,
                n_threads=self.threads,
                n_threads_batch=self.threads,
                verbose=False,
            )
            lock = threading.Lock()

            def ask_ours(text: str) -> tuple[float, int]:
                generation = ours.generate(_request(text))
                first = next((time.perf_counter() for _ in generation), 0.0)
                generation.text()
                return first, generation.finished.usage.completion

            def ask_locked(text: str) -> tuple[float, int]:
                first, count = 0.0, 0
                with lock:
                    for _ in locked.create_completion(text, max_tokens=ANSWER, temperature=0, stream=True):
                        first = first or time.perf_counter()
                        count += 1
                return first, count

            def ask_server(text: str) -> tuple[float, int]:
                return llama_server.complete(locked.tokenize(text.encode(), add_bos=False, special=False), ANSWER)

            sides: dict[str, Callable[[str], tuple[float, int]]] = {"lock": ask_locked, "ours": ask_ours}
            if self.llama:
                server = opened.enter_context(
                    llama_server.serving(self.llama, self.card.path, PEOPLE, CONTEXT, self.threads)
                )
                sides["llama-server"] = ask_server
            walls: dict[str, list[float]] = {side: [] for side in sides}
            firsts: dict[str, list[float]] = {side: [] for side in sides}
            tokens: dict[str, list[int]] = {side: [] for side in sides}
            for _ in range(self.rounds):
                for side, ask in sides.items():
                    prompts = [self.prompt(lambda text: ours.count_tokens([Segment(text)])) for _ in range(PEOPLE)]
                    wall, first, count = _at_once(ask, prompts)
                    walls[side].append(wall)
                    firsts[side].append(first)
                    tokens[side].append(count)
            _report_crowd(walls, firsts, tokens)
            if self.llama:
                memory = {"ours": _resident_mib(ours.pid or 0), "llama-server": _resident_mib(server.pid)}
                _note(f"memory: {memory}")
                _row("memory at 8 slots: ours / llama-server", memory["ours"] / memory["llama-server"], "<= 1.1")

    def followup(self) -> None:
        """A follow-up in the same conversation beside a conversation's first question."""
        with closing(self.engine()) as engine:
            cold, warm = [], []
            for number in range(max(5, self.rounds)):
                text = self.prompt(lambda text: engine.count_tokens([Segment(text)]))
                seconds, answer = _first_token(engine, text, f"person {number}")
                cold.append(seconds)
                seconds, _ = _first_token(engine, text + answer + " And then, what was there?", f"person {number}")
                warm.append(seconds)
            _note(f"cold {statistics.median(cold) * 1000:.0f} ms, follow-up {statistics.median(warm) * 1000:.0f} ms")
            _row(
                "follow-up first token / cold first token", statistics.median(warm) / statistics.median(cold), "<= 0.05"
            )

    def single(self) -> None:
        """One stream beside llama-bench at the same depth."""
        if not self.llama:
            _note("single: left out, it needs --llama")
            return
        command = [str(self.llama / "build" / "bin" / "llama-bench"), "-m", str(self.card.path), "-o", "json"]
        command += ["-p", "0", "-n", str(ANSWER), "-d", str(PROMPT), "-t", str(self.threads), "-r", "1", "-fa", "0"]
        ours, theirs = [], []
        with closing(LlamaEngine(self.card, replace(self.options, slots=1))) as engine:
            for _ in range(max(5, self.rounds)):
                text = self.prompt(lambda text: engine.count_tokens([Segment(text)]))
                ours.append(_decode_rate(engine, text, Sampling()))
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                theirs.append(json.loads(done.stdout)[0]["avg_ts"])
        _note(f"single stream {statistics.median(ours):.1f} tokens/s, llama-bench {statistics.median(theirs):.1f}")
        _row("single stream tokens/s / llama-bench", statistics.median(ours) / statistics.median(theirs), ">= 0.97")

    def json(self) -> None:
        """An answer bound by a JSON schema beside a free one: time for a token."""
        bound = Sampling(json_schema=json.dumps(SCHEMA))
        free_rates, bound_rates = [], []
        with closing(LlamaEngine(self.card, replace(self.options, slots=1))) as engine:
            for _ in range(max(5, self.rounds)):
                text = "A list of people as JSON, with their names and ages:\n"
                free_rates.append(_decode_rate(engine, text, Sampling()))
                bound_rates.append(_decode_rate(engine, text, bound))
        free, with_grammar = statistics.median(free_rates), statistics.median(bound_rates)
        _note(f"free {free:.1f} tokens/s, by JSON schema {with_grammar:.1f}")
        _row("JSON grammar time per token / none", free / with_grammar, "<= 1.10")

    def requantised(self) -> None:
        """The starter's prefill in the form made at the first start beside the packaged one."""
        rates: dict[str, list[float]] = {self.packaged.name: [], self.card.name: []}
        with ExitStack() as opened:
            contexts = {}
            for card in (self.packaged, self.card):
                model = opened.enter_context(closing(LlamaModel(card.path, EngineOptions(threads=self.threads))))
                contexts[card.name] = opened.enter_context(
                    closing(LlamaContext(model, sequences=1, context_length=CONTEXT))
                )
            tokens = [100 + number % 400 for number in range(512)]
            for _ in range(max(5, self.rounds) + 1):
                for name, context in contexts.items():
                    context.keep(0, 0)
                    started = time.perf_counter()
                    context.decode([Run(0, 0, tokens, outputs=1)])
                    rates[name].append(512 / (time.perf_counter() - started))
        medians = {name: statistics.median(values[1:]) for name, values in rates.items()}
        _note("prefill " + ", ".join(f"{name} {rate:.0f} tokens/s" for name, rate in medians.items()))
        _row("starter prefill, requantised / before", medians[self.card.name] / medians[self.packaged.name], ">= 2.5")

    def scores(self) -> None:
        """Forty sentences scored in one batch beside one by one, on a prompt of some hundred tokens."""
        chance = random.Random(5)  # noqa: S311 - words, not secrets
        sentences = [" ".join(chance.choice(WORDS) for _ in range(14)).capitalize() + "." for _ in range(40)]
        prompt = [Segment("Which of these sentences says where the river is? " + " ".join(sentences[:12]))]
        together, alone, each = [], [], []
        with closing(LlamaEngine(self.card, replace(self.options, slots=1))) as engine:
            engine.score(prompt, sentences[:2], deadline_s=300)
            for _ in range(self.rounds):
                together.append(_seconds(lambda: engine.score(prompt, sentences, deadline_s=300)))
                started = time.perf_counter()
                for sentence in sentences:
                    engine.score(prompt, [sentence], deadline_s=300)
                each.append(time.perf_counter() - started)
                # the prompt read once for all forty, as a cache would have it: what is left is batching alone
                prefix = _seconds(lambda: engine.score(prompt, ["x"], deadline_s=300))
                alone.append(each[-1] - 39 * prefix)
        _note(
            f"one batch {statistics.median(together):.2f} s, one by one {statistics.median(alone):.2f} s, "
            f"one by one with the prompt read each time {statistics.median(each):.2f} s"
        )
        _row("40 sentences, one batch / one by one", statistics.median(together) / statistics.median(alone), "<= 0.5")


def _report_crowd(walls: dict[str, list[float]], firsts: dict[str, list[float]], tokens: dict[str, list[int]]) -> None:
    wall = {side: statistics.median(values) for side, values in walls.items()}
    first = {side: statistics.median(values) for side, values in firsts.items()}
    for side in walls:
        _note(f"{side}: wall {wall[side]:.2f} s, first token p50 {first[side]:.2f} s, tokens {tokens[side]}")
    _row("8 at once, wall: lock / ours", wall["lock"] / wall["ours"], ">= 1.5")
    _row("8 at once, first token p50: ours / lock", first["ours"] / first["lock"], "<= 0.5")
    if "llama-server" in wall:
        _row("8 at once, wall: ours / llama-server", wall["ours"] / wall["llama-server"], "<= 0.95")
        _row("8 at once, first token p50: ours / llama-server", first["ours"] / first["llama-server"], "")


def _request(text: str, person: str = "", sampling: Sampling = Sampling()) -> Request:  # noqa: B008 (frozen)
    return Request((Segment(text),), person, ANSWER, 600.0, sampling=sampling)


def _at_once(ask: Callable[[str], tuple[float, int]], prompts: list[str]) -> tuple[float, float, int]:
    """Ask all prompts at once; returns wall seconds, median seconds to the first token, and tokens written."""
    results: list[tuple[float, int]] = []
    people = [threading.Thread(target=lambda text=text: results.append(ask(text))) for text in prompts]
    started = time.perf_counter()
    for person in people:
        person.start()
    for person in people:
        person.join()
    wall = time.perf_counter() - started
    return wall, statistics.median(first - started for first, _ in results), sum(count for _, count in results)


def _first_token(engine: ProcessEngine, text: str, person: str) -> tuple[float, str]:
    started = time.perf_counter()
    generation = engine.generate(_request(text, person))
    pieces = iter(generation)
    first = next(pieces)
    return time.perf_counter() - started, first + "".join(pieces)


def _decode_rate(engine: LlamaEngine, text: str, sampling: Sampling) -> float:
    generation = engine.generate(_request(text, sampling=sampling))
    pieces = iter(generation)
    next(pieces)
    started = time.perf_counter()
    for _ in pieces:
        pass
    return (generation.finished.usage.completion - 1) / (time.perf_counter() - started)


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _resident_mib(pid: int) -> int:
    """Memory of a process, model file included."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    (kib,) = re.findall(r"VmRSS:\s+(\d+)", status)
    return int(kib) // 1024


def _note(text: str) -> None:
    print(f"  {text}", flush=True)


def _row(name: str, ratio: float, bar: str) -> None:
    print(f"| {name} | {bar} | {ratio:.2f} |", flush=True)


ROWS = ("crowd", "followup", "single", "json", "requantised", "scores")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--llama", type=Path, help="the folder that benchmarks/llama_server.py built in")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default=",".join(ROWS), help="rows, separated by commas")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(starter_requantised(Path(folder)), starter_chat(), arguments.llama, arguments.rounds)
        print(
            f"{bench.card.name}, {bench.threads} threads, {PROMPT} + {ANSWER} tokens, medians of {bench.rounds} rounds"
        )
        for row in arguments.only.split(","):
            getattr(bench, row)()


if __name__ == "__main__":
    main()
