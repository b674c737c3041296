"""The laws of the house, kept: one way of imports, one home for each vendor, nothing built at import, small files."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("models", "retrieval", "ingest", "bot")  # each may import those before it
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
MOST_LINES, MOST_FUNCTION_LINES = 400, 60

HOMES = {
    "llama_cpp": re.compile(r"models/llamacpp\w*\.py"),
    "chromadb": re.compile(r"retrieval/chroma\.py"),
    "discord": re.compile(r"bot/discord_bot/.*"),
    "fastapi": re.compile(r"bot/web/.*"),
    "starlette": re.compile(r"bot/web/.*"),
    "sqlalchemy": re.compile(
        r"retrieval/(database|authority|generations|building|unread|outbox|passages|purging|words|index|search|candidates|checking|probing|trust|cloze)\.py"
        r"|bot/store\.py|bot/discord_bot/ledger\.py"
    ),
    "alembic": re.compile(r"(retrieval|bot|bot/discord_bot)/migrations/.*|retrieval/database\.py"),
    "tree_sitter": re.compile(r"ingest/loaders/code\.py"),
    "docutils": re.compile(r"ingest/loaders/rst\.py"),
    "wordllama": re.compile(r"models/embedders\.py"),
    "langchain_community": re.compile(r"never"),
    "litellm": re.compile(r"never"),
    "fitz": re.compile(r"never"),
}
NATIVE_ROOMS = {"llamacpp_model", "llamacpp_context", "llamacpp_sampling", "llamacpp_backend"}
"""Modules that load llama.cpp when they are imported, which happens when a model is loaded."""
NETWORK = {
    "httpx",
    "httpcore2",
    "httpx2",
    "openai",
    "requests",
    "urllib.request",
    "aiohttp",
    "http.client",
    "ftplib",
    "smtplib",
    "websockets",
    "huggingface_hub",
}
MAY_LEAVE = re.compile(
    r"models/(download|served_client)\.py|ingest/sources/web_fetch\.py|bot/cli/handover\.py|bot/discord_bot/.*"
)


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)} imports relatively"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_imports_run_one_way(path: Path) -> None:
    allowed = PACKAGES[: PACKAGES.index(path.relative_to(ROOT).parts[0]) + 1]
    wrong = [name for name in imported(path) if (top := name.split(".")[0]) in PACKAGES and top not in allowed]
    assert not wrong


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_each_vendor_is_imported_in_its_home_only(path: Path) -> None:
    wrong = [
        name for name in imported(path) if (home := HOMES.get(name.split(".")[0])) and not home.fullmatch(name_of(path))
    ]
    assert not wrong


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_only_named_places_can_reach_the_network(path: Path) -> None:
    wrong = [name for name in imported(path) if any(name == n or name.startswith(n + ".") for n in NETWORK)]
    assert not wrong or MAY_LEAVE.fullmatch(name_of(path))


@pytest.mark.parametrize("path", FILES + TESTS, ids=name_of)
def test_files_and_functions_are_small(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno:
            assert node.end_lineno - node.lineno < MOST_FUNCTION_LINES, f"{node.name} is too long"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_no_file_is_a_drawer_for_everything(path: Path) -> None:
    assert not {"utils", "helpers", "core", "common", "misc"} & {*path.relative_to(ROOT).parts, path.stem}


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_every_module_says_its_job(path: Path) -> None:
    docstring = ast.get_docstring(tree_of(path))
    assert docstring
    assert len(docstring) > 20


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_no_fault_is_swallowed(path: Path) -> None:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.ExceptHandler):
            broad = node.type is None or (
                isinstance(node.type, ast.Name) and node.type.id in {"Exception", "BaseException"}
            )
            silent = all(isinstance(statement, ast.Pass | ast.Continue) for statement in node.body)
            assert not (broad and silent), f"line {node.lineno}"


READERS = [path for path in FILES if not {"cli", "web", "discord_bot"} & set(path.parts)]


@pytest.mark.parametrize("path", READERS, ids=name_of)
def test_reads_of_stored_things_require_a_principal(path: Path) -> None:
    """What hands out stored things takes `principal` (or the sets it may read) by keyword, without default."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            keyword_only = {
                argument.arg: default
                for argument, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
            }
            assert keyword_only.get("principal") is None, f"{node.name} has a default principal"
            if node.name in {"search", "document", "history", "readable"}:
                assert "principal" in keyword_only or "readable" in keyword_only, f"{node.name} asks for nobody"


def test_importing_everything_builds_nothing() -> None:
    """No thread, no heavy library, no configured logger and no file comes from imports alone.

    Modules that import llama.cpp are its own rooms, entered when a model is loaded.
    """
    modules = [
        name_of(path).removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for path in FILES
        if "migrations" not in path.parts and path.stem not in NATIVE_ROOMS
    ]
    program = (
        "import importlib, logging, sys, threading\n"
        f"for module in {modules!r}: importlib.import_module(module)\n"
        "assert threading.active_count() == 1, threading.enumerate()\n"
        "assert not logging.getLogger().handlers\n"
        "heavy = {'llama_cpp', 'chromadb', 'wordllama', 'torch', 'docx', 'pypdfium2', 'pptx', 'openpyxl', 'nbformat',"
        " 'yaml', 'tree_sitter', 'docutils', 'watchfiles'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
