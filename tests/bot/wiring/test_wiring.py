from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from bot.settings import load
from bot.wiring import listen, open_kura


@pytest.mark.parametrize("host", ["::1", "[::1]"])
def test_an_ipv6_address_may_stand_in_brackets(host: str) -> None:
    with listen(host, 0) as socket:
        assert socket.getsockname()[0] == "::1"


def test_readiness_looks_from_a_thread_of_the_bridge() -> None:
    seen: list[str] = []

    with open_kura(load(), holder="a test") as kura:

        def probe() -> None:
            seen.append(threading.current_thread().name)

        kura.searcher.probe = probe  # type: ignore[method-assign]
        asyncio.run(kura.readiness())
    assert seen[0].startswith("kura")


def test_the_folder_is_free_again_after_use(tmp_path: Path) -> None:
    for _ in range(2):
        with open_kura(load(), holder="a test") as kura:
            assert kura.is_empty()
    assert (tmp_path / "data" / "documents.db").is_file()
