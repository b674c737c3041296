"""The starter model in the form this machine runs fastest, made once from the packaged one. Knows no settings."""

from __future__ import annotations

import logging
from pathlib import Path

from models import gguf
from models.cards import ModelCard, starter_chat
from models.errors import ModelError, ModelFileError
from models.library import Library, Use
from models.llamacpp_quantize import quantize_into

KIND = "IQ4_NL"
"""The packaged Q4_1 has no fast path for many tokens at once in llama.cpp's CPU part. Measured on two threads against it:
prefill of IQ4_NL and Q4_0 alike about twice as fast, with less of the model lost by IQ4_NL (`benchmarks/results.md`)."""
CAREFUL = ("ffn_down", "attn_v", "attn_output")
"""Weights that become Q8_0 all the same, for a tenth of the speed: 40 of 100 answers are right with them in Q8_0, 30 with them in
IQ4_NL, and 39 as packaged."""

_log = logging.getLogger(__name__)


def starter_requantised(folder: Path) -> ModelCard:
    """The starter's card; its file is made in the library `folder` at the first call and verified at each.

    Where it cannot be made or written, the packaged model's card, with a warning in the log that says why. Processes that
    start together wait for the one that makes it. Raises ModelFileError if the starter is not installed.
    """
    packaged = starter_chat()
    library = Library(folder)
    try:
        return _made(library, packaged)
    except (ModelError, OSError) as error:
        _log.warning("The starter model runs as it is packaged, slower at reading prompts: %s", error)
        return packaged


def requantised(folder: Path) -> ModelCard | None:
    """The card of what `starter_requantised` has made, if it has."""
    name = _name(starter_chat())
    library = Library(folder)
    return library.card(name) if name in library.names() else None


def _name(packaged: ModelCard) -> str:
    return packaged.name.rpartition("-")[0] + f"-{KIND}"


def _made(library: Library, packaged: ModelCard) -> ModelCard:
    name = _name(packaged)
    origin = f"{packaged.name} {packaged.sha256} {KIND} but for {', '.join(CAREFUL)}"
    with library.locked("starter-"):
        if name in library.names():
            try:
                made_from = library.origin(name)
                if made_from == origin:
                    library.verify(name)
                    return library.card(name)
            except ModelError as error:
                _log.warning("The starter model is made again: %s", error)
                made_from = origin
            if not made_from.startswith(packaged.name):
                raise ModelFileError(
                    f"{name} is the name of another installed model; remove that one or give it another."
                )
            library.remove(name)
        gguf.check(packaged.path, packaged.sha256)
        with library.part(name) as part:
            quantize_into(part, packaged.path, KIND, careful=CAREFUL)
            return library.adopt(part, Use.like(packaged, origin=origin), name=name)
