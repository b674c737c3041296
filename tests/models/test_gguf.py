from __future__ import annotations

import ctypes
import hashlib
import os
import random
import shutil
import struct
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest

from models import gguf
from models.cards import starter_chat
from models.errors import ModelFileError
from tests.models import gguf_files

ROOT = Path(__file__).parents[2]


def text(value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(data)) + data


def string_entry(key: str, value: str) -> bytes:
    return text(key) + struct.pack("<I", 8) + text(value)


ENTRIES = (
    string_entry("general.architecture", "llama"),
    text("llama.context_length") + struct.pack("<II", 4, 2048),
    text("general.quantized") + struct.pack("<IB", 7, 1),
    text("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, 3) + text("a") + text("b") + text("<|im_end|>"),
    text("tokenizer.ggml.scores") + struct.pack("<IIQ3f", 9, 6, 3, 0.0, 1.0, 2.0),
    string_entry("tokenizer.chat_template", "{{ messages }}" * 200),
)
TENSORS = (("token_embd.weight", (64, 3), 2, 3 * 2 * 18), ("output_norm.weight", (64,), 0, 256))


def gguf_bytes(
    *,
    version: int = 3,
    entries: tuple[bytes, ...] = ENTRIES,
    tensors: tuple[tuple[str, tuple[int, ...], int, int], ...] = TENSORS,
    entry_count: int | None = None,
    tensor_count: int | None = None,
) -> bytes:
    """A small whole GGUF file; a count may be told otherwise than it is."""
    header = b"GGUF" + struct.pack(
        "<IQQ",
        version,
        len(tensors) if tensor_count is None else tensor_count,
        len(entries) if entry_count is None else entry_count,
    )
    header += b"".join(entries)
    weights = b""
    for name, shape, kind, size in tensors:
        header += text(name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *shape)
        header += struct.pack("<IQ", kind, len(weights))
        weights += bytes(range(256)) * (size // 256) + bytes(size % 256)
        weights += bytes(-len(weights) % 32)
    return header + bytes(-len(header) % 32) + weights


def vocabulary(*tokens: str) -> bytes:
    return text("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, len(tokens)) + b"".join(map(text, tokens))


def overlapping(place: int) -> tuple[bytes, bytes]:
    """What to replace in `gguf_bytes()` so that the second tensor lies elsewhere than after the first."""
    return struct.pack("<IQ", 0, 128), struct.pack("<IQ", 0, place)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.gguf"
    path.write_bytes(gguf_bytes())
    return path


def refused(path: Path, data: bytes, sha256: str = "") -> str:
    path.write_bytes(data)
    with pytest.raises(ModelFileError) as caught:
        gguf.check(path, sha256)
    sentence = str(caught.value)
    assert str(path) in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence


def test_whole_file_is_read(model: Path) -> None:
    header = gguf.check(model, gguf.checksum(model).upper())

    assert (header.version, header.architecture, header.tensors) == (3, "llama", 2)
    assert header.context_length == 2048
    assert header.metadata["general.quantized"] is True
    assert "tokenizer.chat_template" not in header.metadata
    assert header.size == model.stat().st_size


def test_checksum_is_sha256_of_the_bytes(model: Path) -> None:
    assert gguf.checksum(model) == hashlib.sha256(model.read_bytes()).hexdigest()


@pytest.mark.parametrize("step", range(50))
def test_truncation_anywhere_is_found_without_hashing(model: Path, step: int) -> None:
    whole = model.read_bytes()
    last_weight = len(whole) - 1
    refused(model, whole[: last_weight * step // 49])


@pytest.mark.real
def test_the_starter_cut_off_anywhere_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "starter.gguf"
    shutil.copyfile(starter_chat().path, path)
    size, records = path.stat().st_size, path.read_bytes().index(b"token_embd.weight")
    header = [records * step // 20 for step in range(20)]
    tensors = [records + 1_500 * step for step in range(10)]
    weights = [size - 1 - (size - records) * step // 25 for step in range(20)]
    for length in sorted(header + tensors + weights, reverse=True):
        os.truncate(path, length)
        with pytest.raises(ModelFileError, match=r"(cut off|empty|not a GGUF file)[^\n]*\.$"):
            gguf.check(path)


@pytest.mark.real
@pytest.mark.parametrize("kind", ["bpe", "sentencepiece"])
def test_a_flipped_bit_is_refused_or_does_no_harm(tmp_path: Path, kind: str) -> None:
    """With a checksum every one is refused. Without, what passes may say something else, but cannot hurt llama.cpp."""
    tokens = gguf_files.byte_bpe() if kind == "bpe" else gguf_files.sentencepiece(gguf_files.CHATML)
    path = gguf_files.tiny_llama(tmp_path / "model.gguf", vocabulary=tokens)
    whole, sha256 = path.read_bytes(), gguf.checksum(path)
    header = whole.index(b"blk.1.ffn_down.weight") + 60
    chance = random.Random(20261123)  # noqa: S311 - damage, not a secret
    for number in range(200):
        place, bit = chance.randrange(header), chance.randrange(8)
        damaged = bytearray(whole)
        damaged[place] ^= 1 << bit
        refused(path, bytes(damaged), sha256)
        try:
            found = gguf.check(path)
        except ModelFileError:
            continue
        assert found.version in gguf.VERSIONS
        assert 0 < found.tensors <= gguf.MAX_TENSORS
        path.replace(tmp_path / f"passed-{number}.gguf")
    assert 0 < len(list(tmp_path.glob("passed-*"))) < 150
    program = f"""
import pathlib
from tests.models.test_template_safety import load
for path in pathlib.Path({str(tmp_path)!r}).glob("passed-*"):
    try:
        vocabulary, _ = load(path, vocab_only=False)
    except AssertionError:
        continue  # llama.cpp says no by itself
    vocabulary.tokenize("<|im_start|>経費 \\x01", special=True)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_wrong_checksum_is_refused(model: Path) -> None:
    assert "checksum" in refused(model, model.read_bytes(), "0" * 64)


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "empty"),
        (b"GGU", "not a GGUF file"),
        (b"\x89PNG" + bytes(100), "not a GGUF file"),
        ("これはモデルではありません。".encode(), "not a GGUF file"),
        (gguf_bytes(version=1), "version 1"),
        (b"GGUF" + struct.pack(">IQQ", 3, 1, 1), "version"),
        (gguf_bytes(entries=ENTRIES[1:]), "architecture"),
        (gguf_bytes(entries=(*ENTRIES, string_entry("x", "y") + b"junk")), "damaged header"),
        (gguf_bytes(tensors=()), "no tensors"),
        (gguf_bytes(tensors=(("w", (64, 3), 5, 108),)), "tensor type 5"),
        (gguf_bytes(tensors=(("w", (63,), 2, 36),)), "shape"),
        (gguf_bytes(tensors=(("w", (0,), 0, 0),)), "shape"),
        (gguf_bytes(tensors=(("w", (1, 1, 1, 1, 1), 0, 4),)), "5 dimensions"),
        (gguf_bytes(tensors=(TENSORS[1], TENSORS[1])), "two tensors"),
        (gguf_bytes(tensors=(("w" * 64, (1,), 0, 4),)), "name"),
        (gguf_bytes(entries=(*ENTRIES, text("general.alignment") + struct.pack("<II", 4, 24))), "alignment"),
        (gguf_bytes(entries=(*ENTRIES, text("split.count") + struct.pack("<IH", 2, 4))), "one part"),
        (gguf_bytes(entries=(*ENTRIES, text("k") + struct.pack("<I", 13))), "unknown type"),
        (gguf_bytes(entries=(string_entry("general.architecture", "La ma\n"), *ENTRIES[1:])), "architecture"),
        (gguf_bytes(entries=(text("general.architecture") + struct.pack("<II", 4, 1), *ENTRIES[1:])), "architecture"),
        (gguf_bytes(entries=(*ENTRIES[:3], vocabulary("a", "b", "a"))), "token b'a' twice"),
        (gguf_bytes(entries=(*ENTRIES[:3], vocabulary("ab", "ab\0c"))), "token b'ab' twice"),
        (gguf_bytes(entries=(*ENTRIES[:3], string_entry("tokenizer.ggml.tokens", "a"))), "tokens that are not texts"),
        (gguf_bytes(entries=(*ENTRIES, string_entry("tokenizer.ggml.model", "llama"))), "no tokens for single bytes"),
        (gguf_bytes().replace(*overlapping(0)), "place of 'output_norm.weight'"),
        (gguf_bytes().replace(*overlapping(96)), "place of 'output_norm.weight'"),
        (gguf_bytes().replace(*overlapping(160)), "place of 'output_norm.weight'"),
        (gguf_bytes().replace(*overlapping(2**64 - 1)), "place of 'output_norm.weight'"),
        (gguf_bytes(entries=(*ENTRIES, text(b"\xff\xfe") + struct.pack("<II", 4, 1))), "UTF-8"),
    ],
)
def test_what_is_no_usable_model_is_refused_with_its_fault(tmp_path: Path, data: bytes, word: str) -> None:
    assert word in refused(tmp_path / "model.gguf", data)


@pytest.mark.parametrize("huge", [2**24 + 1, 2**32, 2**63, 2**64 - 1])
def test_huge_counts_cost_no_memory(tmp_path: Path, huge: int) -> None:
    lists = [text("k") + struct.pack("<IIQ", 9, item, huge) for item in (0, 8, 9, 12)]
    nested = text("k") + struct.pack("<I", 9) + struct.pack("<IQ", 9, 1) * 100_000
    hostile = [
        gguf_bytes(tensor_count=huge),
        gguf_bytes(entry_count=huge),
        gguf_bytes(entries=(*ENTRIES, struct.pack("<Q", huge))),
        gguf_bytes(entries=(*ENTRIES, text("k") + struct.pack("<IQ", 8, huge))),
        gguf_bytes(tensors=(("w", (huge // 32 * 32, huge, huge, huge), 0, 4),)),
        gguf_bytes(entries=(*ENTRIES, nested)),
        *(gguf_bytes(entries=(*ENTRIES, each)) for each in lists),
    ]
    for data in hostile:
        path = tmp_path / "model.gguf"
        path.write_bytes(data)
        tracemalloc.start()
        with pytest.raises(ModelFileError):
            gguf.check(path)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 2_000_000


def test_folder_pipe_and_missing_file_are_refused(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path, word in ((tmp_path, "folder"), (pipe, "regular file"), (tmp_path / "none", "does not exist")):
        with pytest.raises(ModelFileError, match=word):
            gguf.check(path)


def test_an_empty_token_may_stand_twice(model: Path) -> None:
    model.write_bytes(gguf_bytes(entries=(*ENTRIES[:3], vocabulary("a", "", "", "\0"))))

    assert gguf.check(model).tensors == 2


def test_a_chat_template_in_the_file_is_kept_out(tmp_path: Path) -> None:
    tokens = gguf_files.byte_bpe()
    hostile = replace(tokens, chat_template="{{ ''.__class__.__mro__[1].__subclasses__() }}")
    plain = gguf.check(gguf_files.tiny_llama(tmp_path / "plain.gguf", vocabulary=tokens))
    other = gguf.check(gguf_files.tiny_llama(tmp_path / "other.gguf", vocabulary=hostile))

    assert other.metadata == plain.metadata
    assert b"__subclasses__" in (tmp_path / "other.gguf").read_bytes()


def test_a_model_and_an_adapter_of_another_writer_pass(tmp_path: Path) -> None:
    assert gguf.check(gguf_files.tiny_llama(tmp_path / "model.gguf")).context_length == gguf_files.CONTEXT_LENGTH
    assert gguf.check(gguf_files.tiny_lora(tmp_path / "lora.gguf")).metadata["adapter.type"] == "lora"


def test_a_path_through_a_file_is_refused(model: Path) -> None:
    with pytest.raises(ModelFileError, match="cannot be read"):
        gguf.check(model / "inside")


@pytest.mark.real
def test_the_starter_model_passes() -> None:
    card = starter_chat()
    header = gguf.check(card.path, card.sha256)

    assert (header.architecture, header.tensors, header.context_length) == ("llama", 272, card.context_length)


@pytest.mark.real
def test_tensor_types_are_those_of_the_installed_ggml() -> None:
    import llama_cpp

    folder = Path(llama_cpp.__file__).parent / "lib"
    ggml = ctypes.CDLL(str(next(path for path in sorted(folder.iterdir()) if "ggml-base" in path.name)))
    ggml.ggml_blck_size.restype, ggml.ggml_type_size.restype = ctypes.c_int64, ctypes.c_size_t
    for kind, block in gguf.TENSOR_TYPES.items():
        assert (ggml.ggml_blck_size(kind), ggml.ggml_type_size(kind)) == block
