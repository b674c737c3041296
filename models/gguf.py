"""Reads the header of a GGUF file and refuses what llama.cpp must never open. Knows no model and loads no weights.

The layout is the one of the GGUF specification, versions 2 and 3, little-endian: magic, version, tensor count, metadata
count, the metadata, one record for each tensor, padding to the alignment, the tensors' bytes. Every count and length
is checked against the bytes that are there before it is believed, so a hostile header costs neither memory nor time.
"""

from __future__ import annotations

import hashlib
import math
import mmap
import re
import stat
import struct
from dataclasses import dataclass
from pathlib import Path

from models.errors import ModelFileError

MAGIC = b"GGUF"
VERSIONS = frozenset({2, 3})
MAX_TENSORS = 65_536
"""The largest open models have some thousands."""
MAX_METADATA = 65_536
MAX_ARRAY = 16_777_216
"""Items of one metadata array; a vocabulary has up to some 300,000, its merges up to twice that."""
MAX_TOKENS = 1_048_576
"""Tokens of a vocabulary; the largest have some 300,000."""
MAX_NAME = 65_535
"""Bytes of a metadata key; the limit of the specification."""
MAX_TENSOR_NAME = 63
"""Bytes; ggml keeps 64 with the closing zero."""
MAX_DIMENSIONS = 4
MAX_NESTING = 2
"""Arrays of arrays are allowed by the specification and used by nobody."""
MAX_ALIGNMENT = 65_536
DEFAULT_ALIGNMENT = 32
KEPT_STRING = 1_024
"""Metadata strings longer than this (bytes) are checked but not kept; chat templates, which are programs, never are."""

_TOKENS = "tokenizer.ggml.tokens"
_TEMPLATE = "tokenizer.chat_template"
_ARCHITECTURE = re.compile(r"[a-z0-9._-]{1,64}")
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "B", 10: "Q", 11: "q", 12: "d"}
_BOOL, _STRING, _ARRAY = 7, 8, 9

# ggml type -> (elements in a block, bytes of a block); a gap is a type that ggml has removed
TENSOR_TYPES = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 9: (32, 36),
    10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292),
    16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110), 22: (256, 82),
    23: (256, 136), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8), 29: (256, 56), 30: (1, 2),
    34: (256, 54), 35: (256, 66), 39: (32, 17), 40: (64, 36), 41: (128, 18), 42: (64, 18),
}  # fmt: skip

Value = int | float | bool | str


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """What the header says. `metadata` holds the scalars and short strings; arrays are checked and not kept."""

    version: int
    architecture: str
    metadata: dict[str, Value]
    tensors: int
    size: int
    """Bytes of the whole file."""

    @property
    def context_length(self) -> int:
        """Tokens the model was trained for; 0 if the file does not say."""
        value = self.metadata.get(f"{self.architecture}.context_length", 0)
        return value if isinstance(value, int) else 0


class _Fault(Exception):
    """What is wrong with the file, as the middle of a sentence."""


def checksum(path: Path) -> str:
    """The SHA-256 of the file in lower-case hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check(path: Path, sha256: str = "") -> GgufHeader:
    """Verify that `path` is a whole GGUF file, and the one with this checksum if one is given; return its header.

    Raises ModelFileError with one sentence that names the file, the fault and the next step.
    """
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise _Fault("is a folder; name the GGUF file inside it")
        if not stat.S_ISREG(status.st_mode):  # opening a named pipe would wait for ever
            raise _Fault("is not a regular file; name the GGUF file itself")
        if status.st_size == 0:
            raise _Fault("is empty; fetch the model again")
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            header = _read(content)
        if sha256 and checksum(path) != sha256.lower():
            raise _Fault("does not have the checksum on its card: it is damaged or another model; fetch it again")
    except _Fault as fault:
        raise ModelFileError(f"The model file {path} {fault}.") from None
    except FileNotFoundError:
        raise ModelFileError(f"The model file {path} does not exist; correct the path or fetch the model.") from None
    except OSError as error:
        reason = error.strerror or "input/output error"
        raise ModelFileError(f"The model file {path} cannot be read ({reason}); check its permissions.") from error
    return header


class _Reader:
    """A cursor over the file's bytes that never passes their end."""

    def __init__(self, content: mmap.mmap) -> None:
        self._content = content
        self._size = len(content)
        self.position = 0

    def skip(self, count: int) -> int:
        """Move on by `count` bytes and return where they began."""
        start = self.position
        if count > self._size - start:
            raise _Fault("is cut off inside its header; fetch the model again")
        self.position = start + count
        return start

    def scalar(self, code: str) -> int | float:
        start = self.skip(struct.calcsize(code))
        value: int | float = struct.unpack_from("<" + code, self._content, start)[0]
        return value

    def count(self, limit: int, what: str) -> int:
        value = int(self.scalar("Q"))
        if value > limit:
            raise _Fault(f"has a damaged header ({what}: {value}); fetch the model again")
        return value

    def text(self, limit: int, what: str) -> str:
        length = self.count(limit, what)
        start = self.skip(length)
        try:
            return self._content[start : start + length].decode()
        except UnicodeDecodeError:
            raise _Fault(f"has a damaged header ({what} is not UTF-8); fetch the model again") from None

    def skip_strings(self, count: int) -> None:
        """Pass over `count` strings; the loop of the whole reader that runs a hundred thousand times."""
        position, last, unpack = self.position, self._size - 8, struct.Struct("<Q").unpack_from
        for _ in range(count):
            if position > last:
                break
            position += 8 + unpack(self._content, position)[0]
        else:
            self.skip(position - self.position)
            return
        self.skip(self._size)  # past the end: raises

    def tokens(self, kind: int) -> set[bytes]:
        """The texts of a vocabulary. llama.cpp ends the process if two are the same; it gives names to empty ones."""
        if kind != _ARRAY or int(self.scalar("I")) != _STRING:
            raise _Fault("has a damaged header (tokens that are not texts); fetch the model again")
        count = self.count(MAX_TOKENS, "number of tokens")
        content, position, unpack = self._content, self.position, struct.Struct("<Q").unpack_from
        self.skip_strings(count)  # which has looked at every length
        texts: set[bytes] = set()
        for _ in range(count):
            start = position + 8
            position = start + unpack(content, position)[0]
            text = content[start : min(position, start + MAX_NAME)].partition(b"\0")[0]
            if text in texts:
                raise _Fault(f"has a damaged vocabulary (token {text[:99]!r} twice); fetch the model again")
            if text:
                texts.add(text)
        return texts

    def value(self, kind: int, nesting: int = 0) -> Value | None:
        """One metadata value; None for arrays and long strings, which are passed over."""
        if kind == _STRING:
            length = self.count(self._size, "length of a text")
            start = self.skip(length)
            return self._content[start : start + length].decode(errors="replace") if length <= KEPT_STRING else None
        if kind == _ARRAY:
            self._skip_array(nesting)
            return None
        code = _SCALARS.get(kind)
        if code is None:
            raise _Fault(f"has a damaged header (unknown type of value {kind}); fetch the model again")
        scalar = self.scalar(code)
        return bool(scalar) if kind == _BOOL else scalar

    def _skip_array(self, nesting: int) -> None:
        item = int(self.scalar("I"))
        count = self.count(MAX_ARRAY, "length of a list")
        if item == _STRING:
            self.skip_strings(count)
        elif item == _ARRAY:
            if nesting >= MAX_NESTING:
                raise _Fault("has a damaged header (lists too deep); fetch the model again")
            for _ in range(count):
                self._skip_array(nesting + 1)
        elif item in _SCALARS:
            self.skip(count * struct.calcsize(_SCALARS[item]))
        else:
            raise _Fault(f"has a damaged header (unknown type of list {item}); fetch the model again")


def _read(content: mmap.mmap) -> GgufHeader:
    reader = _Reader(content)
    if len(content) < 4 or content[:4] != MAGIC:
        raise _Fault("is not a GGUF file; name a model in GGUF format")
    reader.skip(4)
    version = int(reader.scalar("I"))
    if version not in VERSIONS:
        raise _Fault(f"has GGUF version {version}, and only 2 and 3 (little-endian) are supported; convert it again")
    tensors = reader.count(MAX_TENSORS, "number of tensors")
    entries = reader.count(MAX_METADATA, "number of metadata entries")
    if not tensors:
        raise _Fault("holds no tensors, only a vocabulary; name the model itself")
    metadata: dict[str, Value] = {}
    tokens: set[bytes] = set()
    for _ in range(entries):
        key, kind = reader.text(MAX_NAME, "length of a key"), int(reader.scalar("I"))
        if key == _TOKENS:
            tokens = reader.tokens(kind)
        elif (value := reader.value(kind)) is not None and not key.startswith(_TEMPLATE):
            metadata[key] = value
    architecture = metadata.get("general.architecture")
    if not isinstance(architecture, str) or not _ARCHITECTURE.fullmatch(architecture):
        raise _Fault("does not say which architecture it is (general.architecture); convert it again")
    if metadata.get("split.count", 0) not in (0, 1):
        raise _Fault("is one part of a model in several files; merge them into one file first")
    if metadata.get("tokenizer.ggml.model") == "llama" and not _spells_bytes(tokens):
        raise _Fault("has a damaged vocabulary (no tokens for single bytes); convert it again with byte fallback")
    _check_tensors(reader, tensors, _alignment(metadata), len(content))
    return GgufHeader(version, architecture, metadata, tensors, len(content))


def _spells_bytes(tokens: set[bytes]) -> bool:
    """Whether every byte has a token: llama.cpp ends the process where a SentencePiece model meets one that has not."""
    return all(b"<0x%02X>" % byte in tokens or bytes([byte]) in tokens for byte in range(256))


def _alignment(metadata: dict[str, Value]) -> int:
    value = metadata.get("general.alignment", DEFAULT_ALIGNMENT)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= MAX_ALIGNMENT or value & (value - 1):
        raise _Fault(f"has a damaged header (alignment {value!r}); fetch the model again")
    return value


def _check_tensors(reader: _Reader, count: int, alignment: int, file_size: int) -> None:
    """The tensors must lie one after the other, each padded to the alignment, all inside the file."""
    expected = 0
    names = set()
    for _ in range(count):
        name = reader.text(MAX_TENSOR_NAME, "length of a tensor's name")
        names.add(name)
        dimensions = int(reader.scalar("I"))
        if not 1 <= dimensions <= MAX_DIMENSIONS:
            raise _Fault(f"has a damaged header ({dimensions} dimensions of {name!r}); fetch the model again")
        shape = [int(reader.scalar("Q")) for _ in range(dimensions)]
        kind, offset = int(reader.scalar("I")), int(reader.scalar("Q"))
        block = TENSOR_TYPES.get(kind)
        if block is None:
            raise _Fault(f"uses the tensor type {kind}, which is not known here; convert it to another quantisation")
        if min(shape) < 1 or shape[0] % block[0]:
            raise _Fault(f"has a damaged header (shape {shape} of {name!r}); fetch the model again")
        if offset != expected:
            raise _Fault(f"has a damaged header (place of {name!r}); fetch the model again")
        size = math.prod(shape) // block[0] * block[1]
        expected += -(-size // alignment) * alignment
        end = offset + size
    if len(names) != count:
        raise _Fault("has a damaged header (two tensors of one name); fetch the model again")
    start = -(-reader.position // alignment) * alignment
    if start + end > file_size:
        raise _Fault(f"is cut off: it has {file_size:,} bytes and needs {start + end:,}; fetch the model again")
