"""A llama.cpp model that makes one vector of a whole text: token sequences in, decoded many at once, vectors out.

Embedders and rerankers stand on it. One thread owns the model and its context; between two batches it takes what is
urgent first. Knows no text, no prefix and no score.
"""

from __future__ import annotations

import ctypes
import itertools
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from models import gguf
from models.cores import available_cores
from models.engine import EngineOptions
from models.errors import EngineBusy, EngineFailed, ModelConfigError

if TYPE_CHECKING:
    import numpy as np

    from models.llamacpp_model import LlamaVocabulary

Pooling = Literal["file", "mean", "cls", "last", "rank"]
BATCH_TOKENS = 256
"""Tokens decoded at once, a longer text apart: above about 128 two processor cores get no faster, and a query waits longer."""
MAX_SEQUENCES = 64
"""Texts decoded at once."""
MAX_WAITING = 256
"""Batches that may wait; each belongs to a thread that waits for it."""


class PooledModel:
    """A GGUF model with a thread of its own, loaded at first use. Safe to call from any thread; close it after use."""

    def __init__(
        self,
        path: Path,
        *,
        sha256: str,
        pooling: Pooling,
        context_length: int,
        threads: int,
        n_gpu_layers: int,
    ) -> None:
        self._path = path
        self._sha256 = sha256
        self._pooling: Pooling = pooling
        self._context_length = context_length
        self._threads = threads
        self._n_gpu_layers = n_gpu_layers
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="llama.cpp-pooled")
        self._context: PooledContext | None = None  # made, used and closed by the worker
        self._lock = threading.Lock()
        self._closed = False
        self._urgent: deque[_Batch] = deque()
        self._patient: deque[_Batch] = deque()
        self._was_urgent = False

    def opened(self) -> PooledContext:
        """The context, for its vocabulary and its figures; only the worker may `run` it.

        Raises ModelFileError, ModelConfigError, EngineFailed.
        """
        return self._context or self._submit(self._load).result()

    def run(self, sequences: Iterable[Sequence[int]], *, urgent: bool) -> list[np.ndarray]:
        """The vector of each sequence, none longer than the context's `length`. Other callers come between batches.

        Raises what `opened` raises, and EngineBusy when too many wait.
        """
        self.opened()
        vectors: list[np.ndarray] = []
        for each in packed(sequences, BATCH_TOKENS, MAX_SEQUENCES):  # one at a time: memory stays bounded
            batch = _Batch(each)
            with self._lock:
                if len(self._urgent) + len(self._patient) >= MAX_WAITING:
                    raise EngineBusy(
                        f"Too many texts wait for the model {self._path.name}; try again in a few seconds."
                    )
                (self._urgent if urgent else self._patient).append(batch)
            self._submit(self._drain)
            vectors += batch.done.result()
        return vectors

    def close(self) -> None:
        """Stop after the batch in hand and give the memory back. Whoever waits gets EngineFailed. May be called again."""
        with self._lock:
            closed, self._closed = self._closed, True
        if not closed:
            self._worker.submit(self._free)
            self._worker.shutdown(wait=True)

    def _submit(self, work: Any) -> Future[Any]:
        with self._lock:
            if self._closed:
                raise self._was_closed()
            return self._worker.submit(work)

    def _was_closed(self) -> EngineFailed:
        return EngineFailed(f"The model {self._path.name} was closed; ask again after the restart.")

    def _load(self) -> PooledContext:
        if self._context is None:
            header = gguf.check(self._path, self._sha256)
            self._context = PooledContext(
                self._path, header, self._pooling, self._context_length, self._threads, self._n_gpu_layers
            )
        return self._context

    def _drain(self) -> None:
        while (context := self._context) is not None and (batches := self._next()):
            try:
                vectors = iter(context.run([tokens for batch in batches for tokens in batch.sequences]))
            except Exception as error:  # noqa: BLE001 - raised again in the threads that wait
                for batch in batches:
                    batch.done.set_exception(error)
            else:
                for batch in batches:
                    batch.done.set_result(list(itertools.islice(vectors, len(batch.sequences))))

    def _next(self) -> list[_Batch]:
        """What to decode now: urgent and patient batches in turn where both wait, small ones of a kind together."""
        with self._lock:
            lanes = [self._patient, self._urgent] if self._was_urgent else [self._urgent, self._patient]
            lane = lanes[0] or lanes[1]
            if self._closed or not lane:
                return []
            self._was_urgent = lane is self._urgent
            taken = [lane.popleft()]
            tokens, count = taken[0].tokens, len(taken[0].sequences)
            while lane:
                tokens, count = tokens + lane[0].tokens, count + len(lane[0].sequences)
                if tokens > BATCH_TOKENS or count > MAX_SEQUENCES:
                    break
                taken.append(lane.popleft())
            return taken

    def _free(self) -> None:
        for lane in (self._urgent, self._patient):
            while lane:
                lane.popleft().done.set_exception(self._was_closed())
        if self._context is not None:
            self._context.close()
            self._context = None


@dataclass(slots=True, eq=False)
class _Batch:
    """Sequences that fit one decode, and where their vectors go."""

    sequences: Sequence[Sequence[int]]
    done: Future[list[np.ndarray]] = field(default_factory=Future)

    @property
    def tokens(self) -> int:
        return sum(map(len, self.sequences))


def packed(sequences: Iterable[Sequence[int]], tokens: int, count: int) -> Iterator[list[Sequence[int]]]:
    """The sequences in order, in lists of at most `tokens` tokens and `count` sequences; a longer one stands alone."""
    batch: list[Sequence[int]] = []
    size = 0
    for each in sequences:
        if batch and (size + len(each) > tokens or len(batch) == count):
            yield batch
            batch, size = [], 0
        batch.append(each)
        size += len(each)
    if batch:
        yield batch


class PooledContext:
    """The native model and its context; made, run and closed in one thread. The caller has verified the file.

    `length` is how many tokens a sequence may have, `batch_tokens` how many llama.cpp takes in one step, `dimensions` how
    many numbers a vector has. `ending` is what a sequence needs after the tokenizer's own tokens.
    """

    def __init__(
        self,
        path: Path,
        header: gguf.GgufHeader,
        pooling: Pooling,
        context_length: int,
        threads: int,
        n_gpu_layers: int,
    ) -> None:
        from models import llamacpp_model as shared

        self._native: Any = shared.native
        self._path = path
        self._threads = threads or available_cores()
        self.header = header
        shared.start_backend()
        self.model = shared.load_model(path, EngineOptions(n_gpu_layers=n_gpu_layers))
        self._context: Any = None
        self.vocabulary: LlamaVocabulary = shared.LlamaVocabulary(self.model)
        try:
            self.length = max(1, min(context_length, self._native.llama_model_n_ctx_train(self.model)))
            self._open(pooling)
        except BaseException:
            self.close()
            raise

    def run(self, sequences: Sequence[Sequence[int]]) -> list[np.ndarray]:
        """The vector of each sequence; zeros for an empty one. Several have `BATCH_TOKENS` together at most.

        Raises EngineFailed.
        """
        import numpy as np

        filled = [tokens for tokens in sequences if tokens]
        vectors = iter(self._run(filled) if filled else [])
        return [next(vectors) if tokens else np.zeros(self.dimensions, np.float32) for tokens in sequences]

    def close(self) -> None:
        self.vocabulary.close()
        if self._context:
            self._native.llama_free(self._context)
        self._native.llama_model_free(self.model)

    def _open(self, pooling: Pooling) -> None:
        native = self._native
        kinds: dict[int, Pooling] = {
            native.LLAMA_POOLING_TYPE_MEAN: "mean",
            native.LLAMA_POOLING_TYPE_CLS: "cls",
            native.LLAMA_POOLING_TYPE_LAST: "last",
            native.LLAMA_POOLING_TYPE_RANK: "rank",
        }
        if native.llama_model_has_encoder(self.model) and native.llama_model_has_decoder(self.model):
            raise ModelConfigError(
                f"The model file {self._path} writes text and embeds none; choose an embedding model."
            )
        wanted = {name: kind for kind, name in kinds.items()}.get(pooling, native.LLAMA_POOLING_TYPE_UNSPECIFIED)
        self.batch_tokens = BATCH_TOKENS
        self._make_context(wanted)
        named = kinds.get(native.llama_pooling_type(self._context))
        if named is None or (named == "rank" and pooling != "rank"):
            raise ModelConfigError(
                f"The model file {self._path} does not say how its embeddings are pooled; set pooling to mean, cls or last."
            )
        self._memory: Any = native.llama_get_memory(self._context)
        # Only what looks back alone may be decoded in several steps; anything else needs its whole text in one.
        looks_back = self._memory and native.llama_get_causal_attn(self._context) and named in {"last", "rank"}
        if self.length > self.batch_tokens and not looks_back:
            # a whole share for each sequence, or llama.cpp aborts
            self.batch_tokens = -(-self.length // MAX_SEQUENCES) * MAX_SEQUENCES
            native.llama_free(self._context)
            self._make_context(wanted)
            self._memory = native.llama_get_memory(self._context)
        size = native.llama_model_n_cls_out if named == "rank" else native.llama_model_n_embd_out
        self.dimensions = int(size(self.model))
        # The vector is read from the last token: files of such models that leave it open want the mark of the end there.
        unsaid = named == "last" and "tokenizer.ggml.add_eos_token" not in self.header.metadata
        end = native.llama_vocab_eos(self.vocabulary.handle)
        self.ending = [int(end)] if unsaid and end != native.LLAMA_TOKEN_NULL else []

    def _make_context(self, pooling: int) -> None:
        from models.llamacpp_model import complaint

        params = self._native.llama_context_default_params()
        params.n_ctx = max(self.length, self.batch_tokens)
        params.n_batch = params.n_ubatch = self.batch_tokens
        params.n_seq_max = MAX_SEQUENCES
        params.kv_unified = True  # sequences of any length share the memory
        params.n_threads = params.n_threads_batch = self._threads
        params.pooling_type = pooling
        params.embeddings = True
        params.no_perf = True
        self._context = self._native.llama_init_from_model(self.model, params)
        if not self._context:
            raise EngineFailed(f"llama.cpp cannot make a context for {self._path}{complaint()}; free some memory.")

    def _run(self, sequences: Sequence[Sequence[int]]) -> list[np.ndarray]:
        import numpy as np

        native = self._native
        lengths = [len(tokens) for tokens in sequences]
        tokens = np.fromiter(itertools.chain.from_iterable(sequences), np.int32)
        positions = np.concatenate([np.arange(length, dtype=np.int32) for length in lengths])
        owners = np.repeat(np.arange(len(sequences), dtype=np.int32), lengths)
        if self._memory:
            native.llama_memory_clear(self._memory, False)
        for start in range(0, len(tokens), self.batch_tokens):
            step = slice(start, start + self.batch_tokens)
            # llama.cpp hands a model without memory, an encoder, to llama_encode by itself
            status = self._decode(tokens[step], positions[step], owners[step])
            if status:
                raise EngineFailed(f"llama.cpp stopped with status {status} while it ran {self._path.name}; try again.")
        vectors = [native.llama_get_embeddings_seq(self._context, owner) for owner in range(len(sequences))]
        if not all(vectors):
            raise EngineFailed(f"llama.cpp gave no vector while it ran {self._path.name}; choose an embedding model.")
        return [np.ctypeslib.as_array(vector, shape=(self.dimensions,)).copy() for vector in vectors]

    def _decode(self, tokens: np.ndarray, positions: np.ndarray, owners: np.ndarray) -> int:
        """Every token belongs to one sequence, and every one is output: pooling wants them all."""
        import numpy as np

        native = self._native
        counts, output = np.ones(len(tokens), np.int32), np.ones(len(tokens), np.int8)
        places = owners.ctypes.data + owners.itemsize * np.arange(len(tokens), dtype=np.uint64)
        batch = native.llama_batch()
        batch.n_tokens = len(tokens)
        batch.token = tokens.ctypes.data_as(ctypes.POINTER(native.llama_token))
        batch.pos = positions.ctypes.data_as(ctypes.POINTER(native.llama_pos))
        batch.n_seq_id = counts.ctypes.data_as(ctypes.POINTER(ctypes.c_int32))
        batch.seq_id = places.ctypes.data_as(ctypes.POINTER(ctypes.POINTER(native.llama_seq_id)))
        batch.logits = output.ctypes.data_as(ctypes.POINTER(ctypes.c_int8))
        return int(native.llama_decode(self._context, batch))
