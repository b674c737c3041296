"""`kura models`: list, show, pull, add, remove, verify, bench, quantize."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.cli.options import Config, DataDir, Json, named_path, settings
from models.cards import AnswerStyle, Kind

if TYPE_CHECKING:
    from models.cards import ModelCard
    from models.catalogue import PublishedModel
    from models.download import Progress, Wanted
    from models.library import Library

SECTIONS = {"chat": "model", "embedding": "embedder", "reranker": "rerank"}
"""Where kura.toml names a model of each kind."""

PASSAGE_TOKENS = 250
"""What a passage of usual length takes, in round numbers."""

Name = Annotated[str, typer.Argument(metavar="NAME", help="As `kura models list` shows it.", show_default=False)]
NewName = Annotated[str, typer.Option("--name", metavar="NAME", help="What to call it here.", show_default=False)]
KindOption = Annotated[Kind, typer.Option("--kind", help="What the model is for.")]
Template = Annotated[str, typer.Option("--template", metavar="NAME", help="The chat template it was trained with.")]
Style = Annotated[AnswerStyle, typer.Option("--answer-style", help="quote copies sentences, generate writes prose.")]

models_app = typer.Typer(no_args_is_help=True, help="Local models: what there is, what is installed, getting more.")


@models_app.command("list")
def list_models(
    context: typer.Context,
    kind: Annotated[Kind | None, typer.Option("--kind", help="Only models of this kind.", show_default=False)] = None,
    language: Annotated[str, typer.Option("--language", metavar="CODE", help="Only models for it, such as ja.")] = "",
    as_json: Json = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """The installed models, and the published ones that can be pulled."""
    from models.catalogue import published

    library = _library(context, data_dir, config)
    installed, faults = _installed(library)
    cards = [card for card in installed if _fits(card, kind, language)]
    offered = [model for model in published() if _fits(model, kind, language)]
    if as_json:
        from bot.cli.output import print_json

        print_json(
            {
                "installed": [_card_json(library, card) for card in cards],
                "published": [_published_json(model) for model in offered],
                "faults": faults,
            }
        )
        return
    _table("Installed", [_card_row(card) for card in cards] or [["none: `kura models pull NAME`"]])
    typer.echo()
    _table("Published", [_published_row(model) for model in offered] or [["none of this kind and language"]])
    for fault in faults:
        typer.echo(f"kura: {fault}", err=True)


@models_app.command("show")
def show(
    context: typer.Context, name: Name, as_json: Json = False, data_dir: DataDir = None, config: Config = None
) -> None:
    """Everything known of one model, installed or published."""
    from bot.cli.output import print_json, printable
    from models.catalogue import find

    library = _library(context, data_dir, config)
    values = _card_json(library, library.card(name)) if name in library.names() else _published_json(find(name))
    if as_json:
        print_json(values)
        return
    for key, value in values.items():
        for line in _lines(value):
            typer.echo(f"{key:<15} {printable(line)}".rstrip())


@models_app.command("pull")
def pull(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME|OWNER/REPO", help="A published model, or any repository.")],
    file: Annotated[str, typer.Argument(metavar="FILE", help="The .gguf file in OWNER/REPO.", show_default=False)] = "",
    quant: Annotated[str, typer.Option("--quant", metavar="Q", help="Default: recommended for your CPU or GPU.")] = "",
    revision: Annotated[str, typer.Option("--revision", metavar="R", help="A branch, tag or commit.")] = "",
    endpoint: Annotated[
        str, typer.Option("--endpoint", metavar="URL", help="Hub or mirror. Default: $HF_ENDPOINT.")
    ] = "",
    called: NewName = "",
    kind: KindOption = "chat",
    template: Template = "",
    answer_style: Style = "generate",
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Fetch a model; run it again to go on after an interruption. The one command that goes to the network for models."""
    from models.catalogue import find
    from models.download import Hub, Wanted, token_of
    from models.library import Library, Use

    chosen = settings(context, data_dir, config)
    if "/" in name:
        if not file or (kind == "chat" and not template):
            raise typer.BadParameter("OWNER/REPO needs a FILE, and a chat model its --template")
        wanted = Wanted(name, file, revision or "main")
        use = Use(kind=kind, template=template, answer_style=answer_style)
        called = called or Path(file).stem
    else:
        if file or template:
            raise typer.BadParameter("FILE and --template go with OWNER/REPO; a published model has its own")
        model = find(name)
        wanted, called = _wanted(
            model, quant or (model.gpu if chosen.model.gpu_layers else model.cpu), revision, called
        )
        use = Use.like(model)
        typer.echo(f"{model.name}: {model.licence}", err=True)
    hub = Hub(endpoint or os.environ.get("HF_ENDPOINT", ""), token_of(os.environ))
    with _progress(called) as on_progress:
        card = hub.pull(wanted, Library(chosen.data_dir / "models"), use, name=called, on_progress=on_progress)
    _say_installed(card)


@models_app.command("add")
def add(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", parser=named_path, help="A GGUF file on this machine.")],
    name: NewName = "",
    kind: KindOption = "chat",
    template: Template = "chatml",
    answer_style: Style = "generate",
    adapter: Annotated[
        Path | None, typer.Option("--adapter", metavar="FILE", parser=named_path, help="A LoRA adapter in GGUF.")
    ] = None,
    link: Annotated[bool, typer.Option("--link", help="Use the file where it is, without a copy.")] = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Install a model of your own: trained, tuned, or carried over from another machine."""
    from models.catalogue import known
    from models.library import Use

    library = _library(context, data_dir, config)
    found = None if name else known(file.name)
    if found is not None:  # a published file, carried over
        model, published = found
        name, sha256 = f"{model.name}-{published.quant}", published.sha256
        use = Use.like(model, origin=f"{model.repository}/{published.name}")
    else:
        sha256, use = "", Use(kind=kind, template=template, answer_style=answer_style)
    _say_installed(library.add(file, use, name=name, sha256=sha256, adapter=adapter, link=link))


@models_app.command("remove")
def remove(context: typer.Context, name: Name, data_dir: DataDir = None, config: Config = None) -> None:
    """Uninstall a model and delete its files; a linked file stays where it is."""
    deleted = _library(context, data_dir, config).remove(name)
    typer.echo(f"Removed {name}" + ("." if deleted else "; its file was linked and stays."))


@models_app.command("verify")
def verify(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Default: all.", show_default=False)] = "",
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Read model files again and compare them with their checksums; exit 1 if one differs."""
    from bot.cli.output import printable
    from models.errors import ModelError

    library = _library(context, data_dir, config)
    differs = False
    for each in [name] if name else library.names():
        try:
            library.verify(each)
            typer.echo(f"ok     {each}")
        except ModelError as error:
            typer.echo(f"FAULT  {printable(f'{each}: {error}')}")
            differs = True
    if differs:
        raise typer.Exit(1)


@models_app.command("quantize")
def quantize(
    context: typer.Context,
    source: Annotated[str, typer.Argument(metavar="NAME|FILE", help="An installed model, or a GGUF file.")],
    kind: Annotated[str, typer.Argument(metavar="KIND", help="Q4_0, IQ4_NL, Q4_K_M, Q5_K_M, Q6_K, Q8_0 or F16.")],
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Make a smaller or faster form of a model: of an installed one beside it, of a file next to it."""
    from models.library import Use
    from models.llamacpp_quantize import KINDS, kind_of, quantize_into
    from models.llamacpp_quantize import quantize as quantize_file

    wanted = kind_of(kind)
    path = Path(source)
    if path.suffix == ".gguf":
        target = path.with_name(f"{path.stem}-{wanted}.gguf")
        if target.exists():
            raise typer.BadParameter(f"{target} is there already: remove it first")
        quantize_file(path, target, wanted)
        typer.echo(f"Wrote {target}. Next: `kura models add {target}`.")
        return
    library = _library(context, data_dir, config)
    card = library.card(source)
    if card.adapter is not None:
        raise typer.BadParameter(f"{source} has an adapter: quantise its file, then add it with --adapter")
    called = re.sub(rf"-({'|'.join(KINDS)})$", "", source) + f"-{wanted}"
    use = Use.like(card, origin=f"{source} {card.sha256}")
    library.check_free(called, use)
    with library.part(called) as part:
        quantize_into(part, card.path, wanted)
        _say_installed(library.adopt(part, use, name=called))


@models_app.command("bench")
def bench(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Default: the model that is set.", show_default=False)
    ] = "",
    as_json: Json = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Measure how fast a model reads and writes here, and keep it: answers are planned by it. Takes some seconds."""
    from dataclasses import asdict

    from bot.cli.output import print_json
    from bot.wiring.models import measure_speed

    chosen = settings(context, data_dir, config)
    if name:
        overrides = chosen.model.model_dump() | {"name": name, "path": None, "servers": (), "component": ""}
        chosen = chosen.model_copy(update={"model": type(chosen.model).model_construct(**overrides)})
    card, speed = measure_speed(chosen)
    if as_json:
        print_json({"model": card.name, **asdict(speed)})
        return
    tokens = speed.prompt_tokens_within(chosen.model.first_token_s)
    typer.echo(f"{card.name}: reads {speed.prefill:,.0f} tokens a second, writes {speed.decode:,.0f}.")
    typer.echo(
        f"In {chosen.model.first_token_s:g} seconds (model.first_token_s) it reads {tokens:,} tokens:"
        f" about {max(1, tokens // PASSAGE_TOKENS)} of usual passages."
    )


def _library(context: typer.Context, data_dir: Path | None, config: Path | None) -> Library:
    from models.library import Library

    return Library(settings(context, data_dir, config).data_dir / "models")


def _installed(library: Library) -> tuple[list[ModelCard], list[str]]:
    """The cards, and a sentence for each that cannot be read."""
    from models.errors import ModelError

    cards, faults = [], []
    for name in library.names():
        try:
            cards.append(library.card(name))
        except ModelError as error:
            faults.append(str(error))
    return cards, faults


def _fits(model: ModelCard | PublishedModel, kind: Kind | None, language: str) -> bool:
    return (kind is None or model.kind == kind) and (not language or language.lower() in model.languages)


def _wanted(model: PublishedModel, quant: str, revision: str, called: str) -> tuple[Wanted, str]:
    """What to fetch, and what to call it. What the card says of the file holds for the card's revision only."""
    from models.download import Wanted

    file = model.file(quant)
    if revision and revision != model.revision:
        wanted = Wanted(model.repository, file.name, revision)
    else:
        wanted = Wanted(model.repository, file.name, model.revision, file.size, file.sha256)
    return wanted, called or f"{model.name}-{file.quant}"


def _card_json(library: Library, card: ModelCard) -> dict[str, Any]:
    from dataclasses import asdict

    values = asdict(card) | {"languages": sorted(card.languages), "origin": library.origin(card.name)}
    return {key: str(value) if isinstance(value, Path) else value for key, value in values.items()}


def _published_json(model: PublishedModel) -> dict[str, Any]:
    return model.model_dump(mode="json") | {"languages": sorted(model.languages)}


def _card_row(card: ModelCard) -> list[str]:
    size = card.path.stat().st_size if card.path.is_file() else 0
    return [card.name, card.kind, _size(size) if size else "missing", *_words(card)]


def _published_row(model: PublishedModel) -> list[str]:
    file = model.file(model.cpu)
    return [model.name, model.kind, _size(file.size) if file.size else "?", *_words(model), model.licence]


def _words(model: ModelCard | PublishedModel) -> list[str]:
    """What the table says of any model: languages, context in tokens, answer style."""
    codes = sorted(model.languages)
    few = " ".join(codes) if len(codes) <= 3 else f"{len(codes)}, with ja" if "ja" in codes else f"{len(codes)}"
    return [few or "?", f"{model.context_length:,}", model.answer_style if model.kind == "chat" else "-"]


def _table(title: str, rows: Sequence[Sequence[str]]) -> None:
    from rich.cells import cell_len

    from bot.cli.output import printable

    typer.echo(f"{title}:")
    shown = [[printable(cell) for cell in row] for row in rows]
    columns = max(map(len, shown))
    widths = [max(cell_len(row[at]) for row in shown if len(row) > at) for at in range(columns)]
    for row in shown:
        padded = (cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=False))
        typer.echo(f"  {'  '.join(padded)}".rstrip())


def _lines(value: Any) -> list[str]:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [", ".join(f"{key} {inner}" for key, inner in each.items() if inner) for each in value]
    if isinstance(value, list):
        return [" ".join(map(str, value))]
    return [repr(value) if isinstance(value, str) and ("\n" in value or value != value.strip()) else str(value or "-")]


def _size(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def _say_installed(card: ModelCard) -> None:
    typer.echo(f"Installed {card.name}. To use it, put into kura.toml:\n")
    typer.echo(f'[{SECTIONS[card.kind]}]\nname = "{card.name}"')


@contextmanager
def _progress(name: str) -> Iterator[Callable[[Progress], None]]:
    """On a terminal a bar on standard error, else a line for each tenth."""
    if not sys.stderr.isatty():
        yield _tenths(name)
        return
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Bars

    from bot.cli.output import err

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=err(), transient=True) as bars:
        task = bars.add_task(name, total=None)
        yield lambda progress: bars.update(task, completed=progress.done, total=progress.total or None)


def _tenths(name: str) -> Callable[[Progress], None]:
    reached = -1

    def on_progress(progress: Progress) -> None:
        nonlocal reached
        tenth = progress.done * 10 // progress.total if progress.total else progress.done // 10**8
        if tenth > reached:
            reached = tenth
            of = f" of {_size(progress.total)}" if progress.total else ""
            typer.echo(f"{name}: {_size(progress.done)}{of}, {_size(int(progress.rate))}/s", err=True)

    return on_progress
