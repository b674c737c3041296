from __future__ import annotations

from pathlib import Path

import pytest

from models.capacity import MOST_SLOTS, free_memory, slots_for, token_bytes
from models.cards import ModelCard
from models.gguf import GgufHeader, Value, check

GIB = 2**30


def header(**metadata: Value) -> GgufHeader:
    return GgufHeader(3, "llama", {f"llama.{key.replace('__', '.')}": value for key, value in metadata.items()}, 1, 1)


def test_the_starter_takes_what_its_layers_and_heads_say(starter: ModelCard) -> None:
    assert token_bytes(check(starter.path)) == 30 * 3 * (64 + 64) * 2


def test_heads_of_another_width_are_counted_as_the_file_says() -> None:
    model = header(
        block_count=10,
        embedding_length=1024,
        attention__head_count=16,
        attention__head_count_kv=8,
        attention__key_length=128,
        attention__value_length=128,
    )

    assert token_bytes(model) == 10 * 8 * 256 * 2


def test_without_a_number_of_kv_heads_all_heads_are_counted() -> None:
    model = header(block_count=10, embedding_length=1024, attention__head_count=16)

    assert token_bytes(model) == 10 * 16 * 128 * 2


@pytest.mark.parametrize(("free", "slots"), [(0, 1), (2 * GIB, 1), (10 * GIB, 5), (1000 * GIB, MOST_SLOTS)])
def test_slots_are_what_a_quarter_of_the_free_memory_holds(free: int, slots: int) -> None:
    model = header(block_count=32, embedding_length=4096, attention__head_count=32, attention__head_count_kv=8)

    assert slots_for(model, 4096, free) == slots


def test_a_container_s_limit_counts_if_it_is_lower(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 100 kB\nMemAvailable:    2097152 kB\n")
    assert free_memory(meminfo, tmp_path / "none") == 2 * GIB
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("5\n")
    assert free_memory(meminfo, tmp_path) == 2 * GIB
    (tmp_path / "memory.max").write_text(f"{GIB}\n")
    (tmp_path / "memory.current").write_text(f"{GIB // 4}\n")
    assert free_memory(meminfo, tmp_path) == 3 * GIB // 4


def test_a_machine_without_such_files_has_something() -> None:
    assert free_memory(Path("/nowhere"), Path("/nowhere")) > 0
