"""`kura prompts list|show|diff|try`: the prompts in force, and trying another one before it is."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import uuid4

import typer

from bot.cli.ask import StyleOption
from bot.cli.options import AsName, Config, DataDir, Groups, Json, named_path, settings

if TYPE_CHECKING:
    from bot.answers import Answer
    from bot.prompt_watch import PromptWatch

prompts_app = typer.Typer(no_args_is_help=True, help="What the model is told: prompts as files with versions.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="As `kura prompts list` shows it.")]
Text = Annotated[str, typer.Argument(metavar="QUESTION")]


@prompts_app.command("list")
def list_prompts(context: typer.Context, as_json: Json = False, config: Config = None) -> None:
    """The prompts in force, with the version that traces and answers name."""
    from bot.cli.output import print_json, printable
    from bot.prompt_files import SHIPPED, load_prompts

    found = load_prompts(settings(context, config=config).answer.prompts).values()
    if as_json:
        print_json(
            [{"name": one.name, "version": one.version, "purpose": one.purpose, "path": str(one.path)} for one in found]
        )
        return
    for one in found:
        origin = "Kura's own" if one.path.parent == SHIPPED else str(one.path)
        typer.echo(printable(f"{one.version}  {one.purpose}  ({origin})"))


@prompts_app.command("show")
def show(context: typer.Context, name: Name, config: Config = None) -> None:
    """Print the file in force: a beginning for one of your own."""
    from bot.cli.output import printable
    from bot.prompt_files import load_prompts

    _known(name)
    source = load_prompts(settings(context, config=config).answer.prompts)[name].source
    sys.stdout.write(printable(source) if sys.stdout.isatty() else source)


@prompts_app.command("diff")
def diff(
    context: typer.Context,
    name: Name,
    file: Annotated[
        Path | None,
        typer.Argument(metavar="[OTHER_FILE]", parser=named_path, help="Default: the file that wins over Kura's."),
    ] = None,
    config: Config = None,
) -> None:
    """What another file changes in Kura's own prompt, as a unified diff; also of a file that is refused."""
    from difflib import unified_diff

    from bot.cli.output import printable
    from bot.prompt_files import read_source, shipped

    _known(name)
    folder = settings(context, config=config).answer.prompts
    own = folder / f"{name}.md" if folder else None
    other = file or (own if own and own.exists() else None)
    if other is None:
        typer.echo(f"kura: Nothing wins over Kura's own {name}: name a file to compare it with.", err=True)
        return
    kept, changed = shipped()[name].source.splitlines(), read_source(other).splitlines()
    lines = unified_diff(kept, changed, f"{name}.md (Kura's own)", str(other), lineterm="")
    for line in lines:
        typer.echo(printable(line))


@prompts_app.command("try")
def try_prompt(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", parser=named_path, help="A prompt that is not in force.")],
    question: Text,
    style: StyleOption = None,
    as_name: AsName = "",
    group: Groups = None,
    as_json: Json = False,
    data_dir: DataDir = None,
    config: Config = None,
) -> None:
    """Answer one question with a prompt: what the model was given, what it wrote, and what of that is said."""
    from bot.answers import Question
    from bot.cli.ask import last_answer, unicode_text
    from bot.errors import SettingsError
    from bot.identity import local_principal
    from bot.prompt_files import ANSWER, read_prompt
    from bot.prompt_watch import PromptWatch
    from bot.wiring import open_kura

    prompt = read_prompt(file)
    if prompt.name != ANSWER:
        raise SettingsError(f"{file}: only the prompt named {ANSWER} answers questions.")
    chosen = settings(context, data_dir, config)
    asked = Question(uuid4().hex, unicode_text(question), local_principal(as_name, group or ()))
    watch = PromptWatch()
    with open_kura(chosen, holder="kura prompts try", style=style, system=prompt.system, callbacks=[watch]) as kura:
        if kura.model.style == "quote":
            raise SettingsError(
                f"The model {kura.model.name} answers in the quote style, which uses no prompt: set a model that writes prose, or"
                " add --style generate."
            )
        answer = asyncio.run(last_answer(kura.assistant, asked))
    _print(answer, watch, prompt.version, as_json=as_json)


def _print(answer: Answer, watch: PromptWatch, version: str, *, as_json: bool) -> None:
    from bot.cli.output import out, print_hits, print_json, print_sources, printable
    from bot.payloads import answer_payload, search_payload

    if as_json:
        passages = search_payload(answer.id, answer.question, watch.passages).hits
        value: dict[str, Any] = {"prompt": version, "passages": [one.model_dump(mode="json") for one in passages]}
        print_json({**value, "written": watch.written, "answer": answer_payload(answer).model_dump(mode="json")})
        return
    console = out()
    console.print(f"Prompt  {version}\n")
    if not answer.prompt:
        console.print("The model was not asked: the passages do not hold enough evidence.\n")
    else:
        console.print("--- Passages it was given\n")
        print_hits(console, watch.passages, answer.question)
        console.print(f"--- What it wrote\n\n{printable(watch.written)}\n")
    console.print(f"--- What is said ({answer.style})\n\n{printable(answer.text)}\n")
    print_sources(console, answer)


def _known(name: str) -> None:
    from bot.errors import SettingsError
    from bot.prompt_files import shipped

    if name not in shipped():
        raise SettingsError(f"Kura has no prompt named {name!r}: name one of {', '.join(shipped())}.")
