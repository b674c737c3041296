from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models import llamacpp_pooled
from models.errors import EngineBusy, EngineFailed
from models.llamacpp_pooled import BATCH_TOKENS, MAX_SEQUENCES, PooledContext, PooledModel, packed
from tests.models import gguf_encoders

pytestmark = pytest.mark.real


def make(path: Path, context_length: int = 256) -> PooledModel:
    return PooledModel(path, sha256="", pooling="file", context_length=context_length, threads=1, n_gpu_layers=0)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return gguf_encoders.bert_embedder(tmp_path_factory.mktemp("models") / "bert.gguf")


@pytest.fixture
def model(encoder: Path) -> Iterator[PooledModel]:
    model = make(encoder)
    yield model
    model.close()


class Hold:
    """Keeps a model's worker busy until it is let go, and notes what each decode gets."""

    def __init__(self, model: PooledModel, monkeypatch: pytest.MonkeyPatch) -> None:
        self.model = model
        self.runs: list[list[int]] = []
        self.threads: list[threading.Thread] = []
        self.results: dict[int, Any] = {}
        self._gate = threading.Event()
        run = PooledContext.run

        def noted(context: PooledContext, sequences: Sequence[Sequence[int]]) -> list[np.ndarray]:
            self.runs.append([tokens[0] for tokens in sequences])
            return run(context, sequences)

        model.opened()
        monkeypatch.setattr(PooledContext, "run", noted)
        model._submit(lambda: self._gate.wait(30))

    def ask(self, name: int, length: int, *, urgent: bool) -> None:
        """Wait for a sequence in a thread; returns once it stands in its lane."""

        def wait() -> None:
            try:
                self.results[name] = self.model.run([[name] * length], urgent=urgent)
            except (EngineFailed, EngineBusy) as error:
                self.results[name] = error

        lane = self.model._urgent if urgent else self.model._patient
        before = len(lane)
        self.threads.append(threading.Thread(target=wait))
        self.threads[-1].start()
        until(lambda: len(lane) > before)

    def let_go(self) -> None:
        self._gate.set()
        for thread in self.threads:
            thread.join(30)


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_packing_keeps_order_and_limits() -> None:
    sequences = [[number] * (number * 7 % 60) for number in range(200)] + [[9] * 600, [1]]
    batches = list(packed(iter(sequences), 100, 8))

    assert [tokens for batch in batches for tokens in batch] == sequences
    assert all(len(batch) <= 8 for batch in batches)
    assert all(sum(map(len, batch)) <= 100 or len(batch) == 1 for batch in batches)
    assert list(packed([], 100, 8)) == []


def test_urgent_and_patient_batches_take_turns(model: PooledModel, monkeypatch: pytest.MonkeyPatch) -> None:
    hold = Hold(model, monkeypatch)
    monkeypatch.setattr(llamacpp_pooled, "MAX_SEQUENCES", 1)  # nothing is decoded together
    for name in (10, 11, 12):
        hold.ask(name, 256, urgent=False)
    for name in (20, 21, 22):
        hold.ask(name, 256, urgent=True)
    hold.let_go()

    assert hold.runs == [[20], [10], [21], [11], [22], [12]]


def test_small_batches_that_wait_are_decoded_together(model: PooledModel, monkeypatch: pytest.MonkeyPatch) -> None:
    hold = Hold(model, monkeypatch)
    for name in range(10, 18):
        hold.ask(name, 12, urgent=True)
    hold.ask(30, 150, urgent=True)
    hold.ask(31, 150, urgent=True)
    hold.let_go()

    assert hold.runs == [[*range(10, 18), 30], [31]]
    alone = model.run([[12] * 12], urgent=True)[0]
    assert np.allclose(hold.results[12][0], alone, atol=1e-2)


def test_others_come_between_the_batches_of_a_library(model: PooledModel) -> None:
    seen = []

    def library() -> Iterator[list[int]]:
        for number in range(300):
            if number == 200:
                seen.append(model.run([[41] * 5], urgent=True)[0])
            yield [40 + number % 9] * 20

    assert len(model.run(library(), urgent=False)) == 300
    assert np.allclose(seen[0], model.run([[41] * 5], urgent=False)[0], atol=1e-2)


def test_a_library_is_read_batch_by_batch(model: PooledModel, monkeypatch: pytest.MonkeyPatch) -> None:
    hold = Hold(model, monkeypatch)
    hold.let_go()
    ahead = []

    def library() -> Iterator[list[int]]:
        for number in range(400):
            ahead.append(number - sum(map(len, hold.runs)))
            yield [40] * 50

    model.run(library(), urgent=False)
    assert max(ahead) <= BATCH_TOKENS // 50
    assert all(len(run) <= MAX_SEQUENCES for run in hold.runs)


def test_whoever_waits_when_it_is_closed_is_told(model: PooledModel, monkeypatch: pytest.MonkeyPatch) -> None:
    hold = Hold(model, monkeypatch)
    hold.ask(10, 5, urgent=False)
    hold.ask(20, 5, urgent=True)
    closing = threading.Thread(target=model.close)
    closing.start()
    until(lambda: model._closed)
    hold.let_go()
    closing.join(30)

    assert hold.runs == []
    assert all("closed" in str(result) for result in hold.results.values())
    with pytest.raises(EngineFailed, match="closed"):
        model.run([[40]], urgent=True)


def test_too_many_waiting_are_refused(model: PooledModel, monkeypatch: pytest.MonkeyPatch) -> None:
    hold = Hold(model, monkeypatch)
    hold.ask(10, 5, urgent=False)
    monkeypatch.setattr(llamacpp_pooled, "MAX_WAITING", 1)
    with pytest.raises(EngineBusy, match=r"bert\.gguf"):
        model.run([[40]], urgent=True)
    hold.let_go()

    assert len(hold.results[10]) == 1


def test_a_failed_decode_is_raised_and_the_next_one_works(model: PooledModel, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(PooledContext, "_decode", lambda *_arguments: 2)
        with pytest.raises(EngineFailed, match="status 2"):
            model.run([[40]], urgent=False)

    assert len(model.run([[40], []], urgent=False)) == 2


def test_a_token_the_model_does_not_have_is_refused_by_llama(model: PooledModel) -> None:
    with pytest.raises(EngineFailed, match="status -1"):
        model.run([[40, 1_000_000]], urgent=False)


def test_a_decoder_reads_a_long_text_in_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = gguf_encoders.qwen_embedder(tmp_path / "qwen.gguf", context=2048)
    tokens = [(number * 37) % 200 for number in range(1900)]
    vectors = []
    for size in (BATCH_TOKENS, 2048):
        monkeypatch.setattr(llamacpp_pooled, "BATCH_TOKENS", size)
        model = make(path, 2048)
        assert model.opened().batch_tokens == size
        vectors.append(model.run([tokens], urgent=False)[0])
        model.close()

    steps, whole = (vector / np.linalg.norm(vector) for vector in vectors)
    assert float(steps @ whole) > 0.999


@pytest.mark.parametrize("length", [100, 513, 1001])
def test_an_encoder_takes_any_text_of_its_length_in_one_step(tmp_path: Path, length: int) -> None:
    path = gguf_encoders.bert_embedder(tmp_path / "bert.gguf", context=length)
    model = make(path, 2048)
    context = model.opened()

    assert context.length == length <= context.batch_tokens
    assert len(model.run([[40] * length, [41] * length, [40] * 7], urgent=False)) == 3
    model.close()
