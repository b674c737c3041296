"""How many requests a model may work on at once with the memory that is free. Knows no engine."""

from __future__ import annotations

import os
from pathlib import Path

from models.gguf import GgufHeader

MOST_SLOTS = 8
"""More answers at once gain little on a CPU, and each becomes slower."""
SHARE_OF_FREE_MEMORY = 0.25
"""Of the memory that is free before the model is loaded, what all conversations together may take."""
BYTES_OF_A_NUMBER = 2
"""Keys and values are kept in float16."""
_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")


def token_bytes(header: GgufHeader) -> int:
    """Bytes that one token takes in the model's memory (KV cache); from above where the file does not say."""
    heads = _number(header, "attention.head_count", 1)
    width = _number(header, "embedding_length", 1) // heads
    kv_heads = _number(header, "attention.head_count_kv", heads)
    each = _number(header, "attention.key_length", width) + _number(header, "attention.value_length", width)
    return _number(header, "block_count", 1) * kv_heads * each * BYTES_OF_A_NUMBER


def slots_for(header: GgufHeader, context_length: int, free_bytes: int | None = None) -> int:
    """How many conversations of `context_length` tokens fit, 1 to 8. `free_bytes` None: what this machine has free."""
    free = free_memory() if free_bytes is None else free_bytes
    return max(1, min(MOST_SLOTS, int(free * SHARE_OF_FREE_MEMORY) // max(1, token_bytes(header) * context_length)))


def free_memory(meminfo: Path = _MEMINFO, cgroup: Path = _CGROUP) -> int:
    """Bytes this process may still take: of the machine, or of the container if that has less."""
    try:
        lines = dict(line.split(":", 1) for line in meminfo.read_text().splitlines() if ":" in line)
        free = int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):  # not Linux: half of what there is
        free = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    try:
        limit, used = ((cgroup / name).read_text().strip() for name in ("memory.max", "memory.current"))
        return min(free, max(0, int(limit) - int(used)))
    except (OSError, ValueError):  # no container, or one without a limit ("max")
        return free


def _number(header: GgufHeader, key: str, otherwise: int) -> int:
    value = header.metadata.get(f"{header.architecture}.{key}")
    return value if isinstance(value, int) and value > 0 else otherwise
