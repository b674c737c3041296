from __future__ import annotations

import ast
import asyncio
import threading
from pathlib import Path

import pytest

from bot.settings import load
from bot.wiring import listen, open_kura

ROOT = Path(__file__).parents[3]
OTHERS = sorted(
    path for path in (ROOT / "bot").rglob("*.py") if not {"cli", "wiring"} & set(path.relative_to(ROOT).parts)
)


@pytest.mark.parametrize("path", OTHERS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_only_the_command_line_calls_wiring(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert not any(alias.name.startswith("bot.wiring") for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert not node.module.startswith("bot.wiring")
            assert node.module != "bot" or all(alias.name != "wiring" for alias in node.names)


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
