"""Embeddings from any GGUF model through llama.cpp, in one thread and with a context of their own. Knows no index."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal, TypeVar

from langchain_core.embeddings import Embeddings

from models import gguf
from models.embedders import unit
from models.errors import EngineFailed, ModelConfigError

_T = TypeVar("_T")
Pooling = Literal["file", "mean", "cls", "last"]


class LlamaEmbeddings(Embeddings):
    """An `Embedder` over a GGUF file. The model is loaded at first use.

    `pooling` "file" is the one that the file names. `query_prefix` and `passage_prefix` are put before the texts as the
    model's authors say. A text longer than `context_length` tokens is embedded by its beginning. Close it after use.
    """

    def __init__(
        self,
        path: Path,
        *,
        sha256: str = "",
        pooling: Pooling = "file",
        query_prefix: str = "",
        passage_prefix: str = "",
        context_length: int = 512,
        threads: int = 0,
        n_gpu_layers: int = 0,
        languages: Iterable[str] = (),
    ) -> None:
        self._path = path
        self._sha256 = sha256
        self._pooling = pooling
        self._query_prefix = query_prefix
        self._passage_prefix = passage_prefix
        self._context_length = context_length
        self._threads = threads
        self._n_gpu_layers = n_gpu_layers
        self.languages = frozenset(languages)
        self._worker: ThreadPoolExecutor | None = ThreadPoolExecutor(1, thread_name_prefix="llama.cpp-embed")
        self._context: _EmbeddingContext | None = None  # only the worker touches it

    @property
    def dimensions(self) -> int:
        """Length of a vector; loads the model."""
        return self._run(lambda: self._loaded().dimensions)

    @functools.cached_property
    def fingerprint(self) -> str:
        weights = self._sha256 or gguf.checksum(self._path)
        settings = f"{weights}\0{self._pooling}\0{self._passage_prefix}\0{self._query_prefix}\0{self._context_length}"
        return f"gguf-{self.dimensions}-{hashlib.sha256(settings.encode()).hexdigest()[:12]}"

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """One unit vector for each text. Raises ModelFileError, ModelConfigError (no pooling), EngineFailed."""
        # One job for each text, so that a query need not wait for a whole library.
        return [self._embed(self._passage_prefix + text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        return self._embed(self._query_prefix + text)

    def close(self) -> None:
        """Give the memory back. May be called again."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.submit(self._free)
            worker.shutdown(wait=True)

    def _embed(self, text: str) -> list[float]:
        return unit(self._run(lambda: self._loaded().embed(text)))

    def _run(self, work: Callable[[], _T]) -> _T:
        worker = self._worker
        if worker is None:
            raise EngineFailed(f"The embedder {self._path.name} was closed; ask again after the restart.")
        return worker.submit(work).result()

    def _loaded(self) -> _EmbeddingContext:
        if self._context is None:
            gguf.check(self._path, self._sha256)
            self._context = _EmbeddingContext(
                self._path, self._pooling, self._context_length, self._threads, self._n_gpu_layers
            )
        return self._context

    def _free(self) -> None:
        if self._context is not None:
            self._context.close()
            self._context = None


class _EmbeddingContext:
    """The native model and context; made, used and closed in one thread."""

    def __init__(self, path: Path, pooling: Pooling, context_length: int, threads: int, n_gpu_layers: int) -> None:
        from models import llamacpp_context as shared
        from models.llamacpp_context import native

        kinds = {
            "file": native.LLAMA_POOLING_TYPE_UNSPECIFIED,
            "mean": native.LLAMA_POOLING_TYPE_MEAN,
            "cls": native.LLAMA_POOLING_TYPE_CLS,
            "last": native.LLAMA_POOLING_TYPE_LAST,
        }
        shared.start_backend()
        self._native: Any = native
        self._path = path
        self._model = shared.load_model(path, n_gpu_layers)
        self._length = min(context_length, native.llama_model_n_ctx_train(self._model))
        params = native.llama_context_default_params()
        # attention without a direction needs the whole text in one step
        params.n_ctx = params.n_batch = params.n_ubatch = self._length
        params.n_threads = params.n_threads_batch = threads or shared.available_cpus()
        params.pooling_type = kinds[pooling]
        params.embeddings = True
        params.no_perf = True
        self._context = native.llama_init_from_model(self._model, params)
        if not self._context:
            native.llama_model_free(self._model)
            raise EngineFailed(f"llama.cpp cannot make a context for {path}{shared.complaint()}; free some memory.")
        self._vocabulary = shared.LlamaVocabulary(self._model)
        self.dimensions = int(native.llama_model_n_embd_out(self._model))
        if native.llama_pooling_type(self._context) not in {kinds["mean"], kinds["cls"], kinds["last"]}:
            self.close()
            raise ModelConfigError(
                f"The model file {path} does not say how its embeddings are pooled; set pooling to mean, cls or last."
            )

    def embed(self, text: str) -> list[float]:
        native = self._native
        tokens = self._vocabulary.tokenize_whole(text)
        if len(tokens) > self._length:
            tokens = [*tokens[: self._length - 1], tokens[-1]]  # the last may be the mark of the end
        if not tokens:
            return [0.0] * self.dimensions
        memory = native.llama_get_memory(self._context)
        if memory:
            native.llama_memory_clear(memory, False)
        array = (native.llama_token * len(tokens))(*tokens)
        status = native.llama_decode(self._context, native.llama_batch_get_one(array, len(tokens)))
        vector = None if status else native.llama_get_embeddings_seq(self._context, 0)
        if not vector:
            raise EngineFailed(f"llama.cpp stopped with status {status} while it ran {self._path.name}; try again.")
        return list(vector[: self.dimensions])

    def close(self) -> None:
        self._vocabulary.close()
        self._native.llama_free(self._context)
        self._native.llama_model_free(self._model)
