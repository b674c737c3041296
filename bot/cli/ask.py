"""`kura ask`, `kura search`, `kura show`."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import uuid4

import typer

from bot.cli.options import (
    AfterFilter,
    AsName,
    BeforeFilter,
    Config,
    DataDir,
    Groups,
    Json,
    Jsonl,
    LanguageFilter,
    SourceFilter,
    settings,
)

if TYPE_CHECKING:
    from bot.answers import Answer
    from bot.assistant import Assistant
    from retrieval.documents import Hit

StyleOption = Annotated[
    str | None,
    typer.Option("--style", metavar="quote|generate", help="Answer in this style. Default: what the model is good at."),
]
QuestionText = Annotated[str | None, typer.Argument(metavar="QUESTION", show_default=False)]


def ask(
    context: typer.Context,
    question: QuestionText = None,
    jsonl: Jsonl = None,
    thread: Annotated[str, typer.Option("--thread", metavar="NAME", help="Go on in this conversation.")] = "",
    style: StyleOption = None,
    source: SourceFilter = None,
    lang: LanguageFilter = None,
    after: AfterFilter = None,
    before: BeforeFilter = None,
    as_name: AsName = "",
    group: Groups = None,
    as_json: Json = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Ask a question; the answer is quoted from the documents, with citations."""
    from bot.answers import Question
    from bot.identity import local_principal
    from bot.payloads import answer_payload
    from bot.wiring import open_kura
    from retrieval.filters import Filters

    _one_of(question, jsonl)
    filters = Filters.read(source or (), lang or (), after, before)
    chosen = settings(context, data_dir, config)
    principal = local_principal(as_name, group or ())
    # One event loop for the whole command: a model's client belongs to the loop of its first call.
    with open_kura(chosen, holder="kura ask", style=style) as kura, asyncio.Runner() as runner:

        def asked(id_: str, text: str) -> dict[str, Any]:
            question = Question(id_, unicode_text(text), principal, thread, filters=filters)
            answer = runner.run(last_answer(kura.assistant, question))
            return answer_payload(answer).model_dump(mode="json")

        if jsonl is not None:
            raise typer.Exit(_each_line(jsonl, asked))
        _hint_if_empty(kura.is_empty())
        if as_json:
            from bot.cli.output import print_json

            print_json(asked(uuid4().hex, question or ""))
        else:
            text = unicode_text(question or "")
            runner.run(_stream(kura.assistant, Question(uuid4().hex, text, principal, thread, filters=filters)))


def search(
    context: typer.Context,
    question: QuestionText = None,
    jsonl: Jsonl = None,
    k: Annotated[int, typer.Option("-k", min=1, max=100, help="How many passages.")] = 10,
    source: SourceFilter = None,
    lang: LanguageFilter = None,
    after: AfterFilter = None,
    before: BeforeFilter = None,
    as_name: AsName = "",
    group: Groups = None,
    as_json: Json = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Find passages, best first, without answering."""
    from bot.identity import local_principal
    from bot.payloads import search_payload
    from bot.questions import read_question
    from bot.standing import as_they_are
    from bot.wiring import open_kura
    from retrieval.filters import Filters

    _one_of(question, jsonl)
    filters = Filters.read(source or (), lang or (), after, before)
    chosen = settings(context, data_dir, config)
    principal = local_principal(as_name, group or ())
    with open_kura(chosen, holder="kura search") as kura:

        def hits(text: str) -> list[Hit]:
            query, both = read_question(unicode_text(text), filters)
            found = kura.searcher.search(query, principal=principal, k=k, filters=both)
            return as_they_are(found.hits, kura.freshness)

        def found(id_: str, text: str) -> dict[str, Any]:
            return search_payload(id_, text, hits(text)).model_dump(mode="json")

        if jsonl is not None:
            raise typer.Exit(_each_line(jsonl, found))
        from bot.cli.output import out, print_hits, print_json

        _hint_if_empty(kura.is_empty())
        if as_json:
            print_json(found(uuid4().hex, question or ""))
        else:
            print_hits(out(), hits(question or ""), question or "")


def show(
    context: typer.Context,
    document_id: Annotated[str, typer.Argument(metavar="DOCUMENT_ID", help="As a citation gives it.")],
    start: Annotated[int, typer.Option("--start", min=0, help="First character.")] = 0,
    end: Annotated[int | None, typer.Option("--end", min=0, help="Character after the last one.")] = None,
    as_name: AsName = "",
    group: Groups = None,
    as_json: Json = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Print a document's stored text, or the span a citation names: to check a quote to the character."""
    from bot.cli.output import print_json, printable
    from bot.identity import local_principal
    from bot.payloads import public_address
    from bot.wiring import open_kura

    chosen = settings(context, data_dir, config)
    with open_kura(chosen, holder="kura show") as kura:
        document = kura.searcher.document(document_id, principal=local_principal(as_name, group or ()))
    text = document.text[start:end]
    if as_json:
        address = public_address(document.id, document.address, document.source_kind)
        print_json({"document_id": document.id, "title": document.title, "address": address, "text": text})
    else:
        sys.stdout.write(printable(text) + "\n" if sys.stdout.isatty() else text)


def _one_of(question: str | None, jsonl: Path | None) -> None:
    if (question is None) == (jsonl is None):
        raise typer.BadParameter("give either a QUESTION or --jsonl FILE")


def unicode_text(text: str) -> str:
    """The text, if it is one: bytes of another encoding arrive as lone surrogates, which nothing can write."""
    from bot.errors import BadQuestion

    try:
        text.encode()
    except UnicodeEncodeError:
        raise BadQuestion("The question is not valid UTF-8: type it again, or save its file as UTF-8.") from None
    return text


def _hint_if_empty(empty: bool) -> None:
    if empty:
        typer.echo("kura: Nothing has been ingested yet: run `kura ingest FOLDER` first.", err=True)


async def last_answer(assistant: Assistant, question: Any) -> Answer:
    """The answer that the events of a question end with."""
    from bot.answers import Done, Refused

    answers = [event.answer async for event in assistant.ask(question) if isinstance(event, (Done, Refused))]
    return answers[-1]


async def _stream(assistant: Assistant, question: Any) -> None:
    from bot.answers import Delta, Done, Refused, Sources
    from bot.cli.output import out, print_sources, printable

    console = out()
    async for event in assistant.ask(question):
        if isinstance(event, Sources) and event.searched_for:
            console.print(printable(f"Searched for: {event.searched_for}\n"), markup=False)
        if isinstance(event, Delta):
            console.print(printable(event.text), end="", markup=False)
        elif isinstance(event, (Done, Refused)):
            console.print("\n" if event.answer.citations or event.answer.nearest else "")
            print_sources(console, event.answer)


def _each_line(file: Path, answer: Callable[[str, str], dict[str, Any]]) -> int:
    """Answer each line; a line that cannot be answered gets an error in its place. Returns the exit code."""
    from bot.cli.output import print_json
    from bot.errors import explain

    code = 0
    for number, line in _lines(file):
        id_ = None
        try:
            id_, text = _asked(line, number)
            payload = answer(id_, text)
        except Exception as error:
            explained = explain(error)
            if not explained.known:
                raise
            payload = {"id": id_, "error": explained.sentence}
            code = 1
        print_json(payload)
    return code


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    """The lines that hold anything, with their numbers."""
    from bot.errors import BadQuestion

    try:
        with nullcontext(sys.stdin) if str(file) == "-" else file.open(encoding="utf-8") as opened:
            for number, line in enumerate(opened, 1):
                if text := line.removeprefix("\ufeff").strip():  # some editors begin a file with a byte order mark
                    yield number, text
    except OSError as error:
        raise BadQuestion(f"{file} cannot be read ({error.strerror}): check the path.") from error
    except UnicodeDecodeError as error:
        raise BadQuestion(f"{file} is not UTF-8 text: save it as UTF-8.") from error


def _asked(line: str, number: int) -> tuple[str, str]:
    from bot.errors import BadQuestion

    try:
        value = json.loads(line)
        id_, question = str(value["id"]), str(value["question"])
        id_.encode()
        return id_, question
    except (ValueError, KeyError, TypeError, RecursionError):
        raise BadQuestion(f'line {number} is not an object with "id" and "question".') from None
