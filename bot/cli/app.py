"""The `kura` command: its subcommands, and how a fault ends it. Heavy imports wait for their command."""

from __future__ import annotations

import os
import sys
from importlib import metadata
from typing import Annotated

import typer

from bot.cli import ask, calibration, discord, ingest, inspect, serve, verify
from bot.cli.evaluation import evaluation_app
from bot.cli.index import index_app
from bot.cli.models import models_app
from bot.cli.options import Config, DataDir, Global
from bot.cli.prompts import prompts_app
from models.offline import forbid_telemetry

app = typer.Typer(
    name="kura",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    help="Kura answers questions from your company's own documents, on your own machine.",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"kura {metadata.version('kurabot')}")
        raise typer.Exit


@app.callback()
def _global(
    context: typer.Context,
    data_dir: DataDir = None,
    config: Config = None,
    _: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    context.obj = Global(data_dir, config)


app.command("init")(inspect.init)
app.command("ingest")(ingest.ingest)
app.command("remove")(ingest.remove)
app.command("ask")(ask.ask)
app.command("search")(ask.search)
app.command("show")(ask.show)
app.command("serve")(serve.serve)
app.command("discord")(discord.discord)
app.command("status")(inspect.status)
app.command("doctor")(inspect.doctor)
app.command("verify")(verify.verify)
app.command("repair")(verify.repair)
app.command("calibrate")(calibration.calibrate)
config_app = typer.Typer(no_args_is_help=True, help="The settings in force.")
config_app.command("show")(inspect.config_show)
app.add_typer(config_app, name="config")
app.add_typer(evaluation_app, name="eval")
app.add_typer(index_app, name="index")
app.add_typer(models_app, name="models")
app.add_typer(prompts_app, name="prompts")


def run() -> None:
    """Run the command line: exit 0 done, 1 a fault, 2 wrong usage or settings, 130 interrupted."""
    from bot.logs import configure_logs

    forbid_telemetry(os.environ)
    configure_logs("warning")
    try:
        app()
    except KeyboardInterrupt:
        _leave("Interrupted.", 130)
    except Exception as error:  # noqa: BLE001 - the edge: every fault becomes a sentence and an exit code here
        _explain(error)


def _explain(error: Exception) -> None:
    from bot.errors import explain

    explained = explain(error)
    if explained.known:
        _leave(explained.sentence, explained.exit_code)
    import structlog

    structlog.get_logger("kura").error("Unforeseen fault.", exc_info=error)
    _leave(
        f"Something went wrong inside Kura ({type(error).__name__}); please report the lines above.",
        explained.exit_code,
    )


def _leave(sentence: str, code: int) -> None:
    typer.echo(f"kura: {sentence}", err=True)
    sys.exit(code)
