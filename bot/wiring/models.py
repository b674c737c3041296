"""The models of an installation, built from its settings. Nothing is loaded before its first use."""

from __future__ import annotations

import logging
import threading
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from bot import prompting
from bot.errors import SettingsError
from bot.generating import AnswerModel, ModelCall
from bot.identity import ANONYMOUS
from bot.prompt_files import ANSWER, REWRITE, load_prompts
from bot.prompting import Budget, SystemPrompt
from bot.settings import Settings
from bot.wiring.components import ComponentChat, make_component
from bot.wiring.embedders import LIBRARY, model_library
from models.cards import ModelCard, local_chat, starter_chat
from models.engine import ChatEngine, EngineOptions, EngineState
from models.errors import EngineBusy, ModelError
from models.gguf import check
from models.speed import Speed, SpeedBook, measure

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from bot.rewriting import Rewriter
    from models.chat import ChatKura

SPEEDS = "speeds.json"
OPENING_RETRY_S = 5.0
"""After how long somebody is told to ask again while the model is being opened."""
_log = logging.getLogger(__name__)
ADAPTER = "adapter"
"""The name under which an engine knows the one LoRA adapter of its card."""


def speed_book(settings: Settings) -> SpeedBook:
    """What `kura models bench` measured here."""
    return SpeedBook(settings.data_dir / SPEEDS)


def model_card(settings: Settings) -> ModelCard:
    """The card of the local chat model that is set; raises ModelFileError if it is not installed."""
    chosen = settings.model
    if chosen.name:
        card = model_library(settings).card(chosen.name)
        if card.kind != "chat":
            raise SettingsError(
                f"model.name: {chosen.name} is no chat model but of the kind {card.kind}: name another."
            )
        return card
    if chosen.path is None:
        return starter_chat()
    card = local_chat(chosen.path, template=chosen.template, context_length=chosen.context_length, sha256=chosen.sha256)
    return replace(card, adapter=chosen.adapter)


def fast_card(settings: Settings) -> ModelCard:
    """As `model_card`, the starter in the form this machine runs fastest; it is made at the first call, in seconds."""
    if settings.model.name or settings.model.path:
        return model_card(settings)
    from models.starter import starter_requantised

    return starter_requantised(settings.data_dir / LIBRARY)


def running_card(settings: Settings) -> ModelCard:
    """As `fast_card`, but what is not made yet is not made: for looking on."""
    from models.starter import requantised

    if settings.model.name or settings.model.path:
        return model_card(settings)
    return requantised(settings.data_dir / LIBRARY) or starter_chat()


def engine_options(settings: Settings, card: ModelCard, *, alone: bool) -> EngineOptions:
    """How the settings want a model run; `alone` is for one question at a time, which needs one slot."""
    chosen = settings.model
    return EngineOptions(
        context_length=min(chosen.context_length, card.context_length),
        slots=1 if alone else chosen.slots,
        threads=chosen.threads,
        n_gpu_layers=chosen.gpu_layers,
        split_mode=chosen.split_mode,
        main_gpu=chosen.main_gpu,
        flash_attention=chosen.flash_attention,
    )


def answer_prompt(settings: Settings) -> SystemPrompt:
    """What the model is told first: Kura's own, or the company's. Raises SettingsError for a broken file of theirs."""
    return load_prompts(settings.answer.prompts)[ANSWER].system


def make_rewriter(settings: Settings, model: AnswerModel) -> Rewriter | None:
    """What makes questions stand alone; None if the settings want none, or the model is not up to it."""
    from bot.rewriting import Rewriter

    chosen = settings.model
    starter = not (chosen.name or chosen.path or chosen.servers or chosen.component)
    if settings.answer.rewrite == "off" or model.style != "generate" or starter:
        return None
    return Rewriter(model, load_prompts(settings.answer.prompts)[REWRITE].system)


def make_engine(settings: Settings, card: ModelCard, *, alone: bool) -> ChatEngine:
    """An engine for this card: in this process if it serves one person `alone`, else in a child process of its own."""
    options = engine_options(settings, card, alone=alone)
    adapters = {ADAPTER: card.adapter} if card.adapter else {}
    pinned = prompting.pinned(card.template, answer_prompt(settings))
    if alone:
        from models.llamacpp import LlamaEngine

        return LlamaEngine(card, options, pinned=pinned, adapters=adapters)
    from models.process import ProcessEngine

    return ProcessEngine(card, options, pinned=pinned, adapters=adapters)


def measure_speed(settings: Settings) -> tuple[ModelCard, Speed]:
    """Measure how fast the local model that is set reads and writes here, and keep it. Raises what models raise."""
    if settings.model.component or settings.model.servers:
        raise SettingsError("model: what runs on a server is not measured here: name a local model.")
    card = fast_card(settings)
    with closing(make_engine(settings, card, alone=True)) as engine:
        speed = measure(engine)
    speed_book(settings).put(card, engine_options(settings, card, alone=True), speed)
    return card, speed


def answer_model(
    settings: Settings, stack: ExitStack, *, style: str | None, alone: bool, system: SystemPrompt | None = None
) -> AnswerModel:
    """The model that answers: a component, a server, or a local file, which is verified now and loaded at first use.

    `system` stands in for the prompt of the settings, which is read in every style: a broken one is told at the start.
    """
    configured = answer_prompt(settings)
    model = _model(settings, stack, style, alone=alone)
    return replace(model, system=system or configured)


def _model(settings: Settings, stack: ExitStack, style: str | None, *, alone: bool) -> AnswerModel:
    if settings.model.component:
        return _component_model(settings, style)
    if settings.model.servers:
        return _served_model(settings, stack, style)
    card = model_card(settings)
    check(card.path)  # its header; the checksum, where it is opened
    return _local_model(settings, stack, card, style, alone=alone)


def _component_model(settings: Settings, style: str | None) -> AnswerModel:
    from langchain_core.language_models import BaseChatModel

    chosen = settings.model
    port: type[Any] = BaseChatModel
    chat = make_component(chosen.component, chosen.arguments, port, "model.component")
    return AnswerModel(
        name=chosen.component.rsplit(".", 1)[-1],
        style=_style(style or chosen.answer_style or "generate"),
        context_length=chosen.context_length,
        chat=lambda: cast("BaseChatModel", ComponentChat(chat, chosen.component)),
        count_tokens=estimate_tokens,
        arguments=lambda call: {"max_tokens": call.max_tokens},
    )


def _served_model(settings: Settings, stack: ExitStack, style: str | None) -> AnswerModel:
    from models.served import ChatServed

    chosen = settings.model
    chat = ChatServed(
        base_urls=chosen.servers,
        model_name=chosen.served_model,
        api_key_file=chosen.api_key_file,
        ca_file=chosen.ca_file,
    )
    stack.callback(chat.close)
    return AnswerModel(
        name=chosen.served_model,
        style=_style(style or chosen.answer_style or "generate"),
        context_length=chosen.context_length,
        chat=lambda: chat,
        count_tokens=chat.get_num_tokens,
        arguments=lambda call: {
            "max_tokens": call.max_tokens,
            "deadline_s": chosen.deadline_s,
            "conversation": f"{_person(call)}/{call.thread}",
        },
    )


def _local_model(
    settings: Settings, stack: ExitStack, card: ModelCard, style: str | None, *, alone: bool
) -> AnswerModel:
    chosen = settings.model
    local = LocalChat(settings, stack, alone=alone)
    return AnswerModel(
        name=card.name,
        style=_style(style or chosen.answer_style or card.answer_style),
        context_length=min(chosen.context_length, card.context_length),
        chat=local.chat,
        count_tokens=lambda text: local.chat().get_num_tokens(text),
        arguments=lambda call: {
            "principal_key": _person(call),
            "max_tokens": call.max_tokens,
            "deadline_s": chosen.deadline_s,
            "on_waiting": call.on_waiting,
            "adapter": ADAPTER if card.adapter else "",
        },
        budget=local.budget,
        state=local.state,
    )


class LocalChat:
    """A local model, opened at its first use by whichever thread comes first."""

    def __init__(self, settings: Settings, stack: ExitStack, *, alone: bool) -> None:
        self._settings = settings
        self._stack = stack
        self._alone = alone
        self._opening = threading.Lock()
        self._made: tuple[ModelCard, ChatEngine] | None = None
        self._chat: ChatKura | None = None
        self._speed: Speed | None = None

    def chat(self) -> ChatKura:
        """The model, loaded. Raises ModelFileError, EngineFailed; EngineBusy while another thread opens it."""
        if self._chat is not None:
            return self._chat
        if not self._opening.acquire(blocking=False):
            raise EngineBusy("The model is just being opened; try again in some seconds.", OPENING_RETRY_S)
        try:
            if self._chat is None:
                self._chat = self._open()
            return self._chat
        finally:
            self._opening.release()

    def budget(self) -> Budget:
        """How much of a prompt is read before the first word is due."""
        self.chat()
        seconds = self._settings.model.first_token_s
        if self._speed is None:
            return Budget(None, "no speed was measured: run `kura models bench`")
        return Budget(
            self._speed.prompt_tokens_within(seconds), f"{seconds:g} s at {self._speed.prefill:g} tokens a second"
        )

    def state(self) -> EngineState | None:
        """What the engine is doing; None before it was opened."""
        return self._chat.engine.state() if self._chat is not None else None

    def _open(self) -> ChatKura:
        from models.chat import ChatKura

        if self._made is None:  # once: a model that cannot be loaded now is loaded by the same engine later
            card = fast_card(self._settings)
            engine = make_engine(self._settings, card, alone=self._alone)
            self._stack.callback(engine.close)
            self._made = card, engine
        card, engine = self._made
        engine.load()
        options, book = engine_options(self._settings, card, alone=self._alone), speed_book(self._settings)
        self._speed = book.get(card, options)
        if self._speed is None and not self._alone:  # a server has the seconds it takes, once
            try:
                self._speed = measure(engine)
                book.put(card, options, self._speed)
            except (ModelError, OSError) as error:  # answers do without
                _log.warning("The speed of %s is not known (%s): prompts are planned without it.", card.name, error)
        return ChatKura(engine=engine, model_name=card.name, template=card.template)


def estimate_tokens(text: str) -> int:
    """At least as many tokens as any tokenizer in use makes of a text: one for three bytes of it, rounded up.

    For models whose tokenizer is not here. English has about four bytes a token, Japanese about three.
    """
    return len(text.encode()) // 3 + 1


def _person(call: ModelCall) -> str:
    """Under which key a model may use again what it computed, and whose turn it is in the queue.

    The asker as that audience; of those without a name, each conversation apart, and without one nothing.
    """
    person = f"{call.principal.audience}/{call.principal.id}"
    if call.principal.id != ANONYMOUS:
        return person
    return f"{person}/{call.thread}" if call.thread else ""


def _style(name: str) -> Any:
    if name not in ("quote", "generate"):
        raise SettingsError(f"There is no answer style {name!r}: use quote or generate.")
    return name
