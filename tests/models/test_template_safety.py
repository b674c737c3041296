"""The proof that text cannot forge roles: llama.cpp's own tokenizers, every template, every special token.

Beside the starter's vocabulary stand small ones with the special tokens of all families, for each kind of tokenizer and
each way in which files list such tokens. In some of them plain text really becomes a special token: see the first test.
"""

from __future__ import annotations

import os
import subprocess
import sys
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.cards import starter_chat
from models.errors import ModelConfigError
from models.llamacpp_model import LlamaVocabulary, native, start_backend
from models.templates import NAMES, Message, Segment, check, prefix, render, tokens_of
from tests.models import gguf_files
from tests.models.gguf_files import CONTROL, NORMAL, USER_DEFINED, Tokens

pytestmark = pytest.mark.real

ROOT = Path(__file__).parents[2]

MARKS: Mapping[str, tuple[str, ...]] = {
    "chatml": ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<repo_name>", "<file_sep>", "<jupyter_script>"),
    "qwen3": ("<|im_start|>", "<|im_end|>", "<think>", "</think>", "<tool_call>", "</tool_call>", "<|vision_start|>"),
    "llama3": (
        "<|begin_of_text|>",
        "<|start_header_id|>",
        "<|end_header_id|>",
        "<|eot_id|>",
        "<|eom_id|>",
        "<|python_tag|>",
    ),
    "gemma": ("<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>", "<start_of_image>", "<unused7>", "<table>", "<h1>"),
    "gemma4": (
        "<|turn>",
        "<turn|>",
        "<|channel>",
        "<channel|>",
        "<|think|>",
        "<|tool>",
        "<tool|>",
        '<|"|>',
        "<|image|>",
    ),
    "mistral": ("<s>", "</s>", "[INST]", "[/INST]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[TOOL_CALLS]", "[THINK]"),
    "phi4": ("<|im_start|>", "<|im_sep|>", "<|im_end|>", "<|fim_prefix|>"),
    "phi4-mini": ("<|system|>", "<|user|>", "<|assistant|>", "<|end|>", "<|tool_call|>", "<|/tool_call|>"),
    "granite": ("<|start_of_role|>", "<|end_of_role|>", "<|end_of_text|>"),
    "gpt-oss": ("<|startoftext|>", "<|start|>", "<|message|>", "<|end|>", "<|channel|>", "<|return|>", "<|call|>"),
    "llm-jp": ("<s>", "</s>", "<MASK|LLM-jp>", "<EOD|LLM-jp>"),
}
OTHERS = (
    "<｜User｜>",
    "<｜end▁of▁sentence｜>",
    "|end|><|",
    "<|<|end|>",
    "【終】",
)  # also marks that overlap with others
ALL = tuple(dict.fromkeys([mark for marks in MARKS.values() for mark in marks] + list(OTHERS)))
KINDS: Mapping[str, Callable[[Mapping[str, Any]], Tokens]] = {
    "bpe": lambda special: gguf_files.byte_bpe(special, pre="qwen2"),
    "llama-bpe": lambda special: gguf_files.byte_bpe(special, pre="llama-bpe"),  # looks words up before it merges
    "plain-bpe": gguf_files.plain_bpe,
    "sentencepiece": gguf_files.sentencepiece,
    "unigram": gguf_files.unigram,
}
LISTED = {"control": CONTROL, "added": USER_DEFINED}
VOCABULARIES = ["starter", *(f"{kind}/{listed}" for kind in KINDS for listed in LISTED)]
KEEPS_ALL = [name for name in VOCABULARIES if not name.startswith("unigram")]  # that one has no bytes, and normalises

OPENING = [chr(code) for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) in ("Ps", "Pi")]
CLOSING = [chr(code) for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code)) in ("Pe", "Pf")]
UNSEEN = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u034f\u180e\U000e0001"
WIDE = {code: 0xFEE0 + code for code in range(33, 127)}


def load(path: Path, *, vocab_only: bool = True) -> tuple[LlamaVocabulary, Any]:
    start_backend()
    params = native.llama_model_default_params()
    params.vocab_only = vocab_only
    model = native.llama_model_load_from_file(os.fsencode(path), params)
    assert model
    return LlamaVocabulary(model), model


@pytest.fixture(scope="module")
def vocabularies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, LlamaVocabulary]]:
    folder = tmp_path_factory.mktemp("vocabularies")
    loaded = {"starter": load(starter_chat().path)}
    for kind, make in KINDS.items():
        for listed, token_type in (LISTED | {"ordinary": NORMAL}).items():
            path = gguf_files.vocabulary_file(folder / f"{kind}-{listed}.gguf", make(dict.fromkeys(ALL, token_type)))
            loaded[f"{kind}/{listed}"] = load(path)
    yield {name: vocabulary for name, (vocabulary, _) in loaded.items()}
    for _, model in loaded.values():
        native.llama_model_free(model)


@pytest.fixture
def vocabulary(request: pytest.FixtureRequest, vocabularies: Mapping[str, LlamaVocabulary]) -> LlamaVocabulary:
    return vocabularies[request.param]


everywhere = pytest.mark.parametrize("vocabulary", VOCABULARIES, indirect=True)


def specials(segments: list[Segment], vocabulary: LlamaVocabulary) -> list[int]:
    return [token for token in tokens_of(segments, vocabulary) if token in vocabulary.special_tokens]


def read(text: str, vocabulary: LlamaVocabulary) -> str:
    """What the model reads of an untrusted text, after a look that no special token is in it."""
    tokens = tokens_of([Segment(text)], vocabulary)
    assert vocabulary.special_tokens.keys().isdisjoint(tokens), text
    return b"".join(map(vocabulary.piece, tokens)).decode()


def disguises(mark: str) -> str:
    """A mark as somebody could write it who wants it to be one: one text of all the ways, each on its line."""
    wide = mark.translate(WIDE)
    places = range(len(mark) + 1)
    ways = [
        mark,
        mark * 2,
        f" {mark} ",
        f"\0{mark}\0",
        f"a{mark}b",
        f"\r{mark}\r\n",
        wide,
        wide * 2,
        mark.upper(),
        mark.lower(),
    ]
    ways += [f"{before}{mark}{after}" for before, after in zip(OPENING, [*CLOSING, *CLOSING], strict=False)]
    ways += [f"{sign}{mark}{sign}" for sign in (*CLOSING, *UNSEEN, "▁", "Ġ", "Ċ", "🙂", "経")]
    ways += [mark[:place] + sign + mark[place:] for place in places for sign in UNSEEN]
    ways += [mark[:place] + inner + mark[place:] for place in places for inner in (mark, "<|im_end|>", "</s>")]
    ways += [mark[:place] + wide[place:] for place in places]
    ways += [part for place in places for part in (mark[:place], mark[place:], mark[:1] * place + mark)]
    return "\n".join(ways)


def test_some_tokenizers_make_special_tokens_of_plain_text(vocabularies: Mapping[str, LlamaVocabulary]) -> None:
    def forged(name: str, text: str) -> bool:
        vocabulary = vocabularies[name]
        return not vocabulary.special_tokens.keys().isdisjoint(vocabulary.tokenize(text, special=False))

    assert {name for name in VOCABULARIES if forged(name, "<|im_start|>")} == {
        "plain-bpe/control", "sentencepiece/control", *(name for name in VOCABULARIES if name.endswith("/added"))
    }  # fmt: skip
    assert {name for name in VOCABULARIES if forged(name, "＜｜im_start｜＞")} == {"unigram/added"}


def test_the_small_vocabularies_have_every_mark(vocabularies: Mapping[str, LlamaVocabulary]) -> None:
    assert MARKS.keys() == NAMES
    for name in VOCABULARIES[1:]:
        assert set(ALL) <= set(vocabularies[name].special_tokens.values()), name
    assert {"<|im_start|>", "<|im_end|>", "<|endoftext|>"} <= set(vocabularies["starter"].special_tokens.values())


@pytest.mark.parametrize("name", VOCABULARIES)
def test_no_disguise_of_a_mark_gives_a_special_token(vocabularies: Mapping[str, LlamaVocabulary], name: str) -> None:
    vocabulary = vocabularies[name]
    for mark in {*vocabulary.special_tokens.values(), *ALL}:
        text = disguises(mark)
        seen = read(text, vocabulary)

        if name in KEEPS_ALL:
            assert seen.replace("▁", " ") == text.replace("▁", " ")  # some write a blank as ▁, so these two are one


@everywhere
def test_no_disguise_of_a_mark_alone_gives_a_special_token(vocabulary: LlamaVocabulary) -> None:
    for mark in {"[/INST]", "<|im_start|>", "</s>", "<start_of_turn>", '<|"|>', *OTHERS}:
        for text in disguises(mark).split("\n"):
            assert not specials([Segment(text)], vocabulary), text


@everywhere
@pytest.mark.parametrize("template", sorted(NAMES))
def test_roles_in_a_prompt_are_those_of_the_template(vocabulary: LlamaVocabulary, template: str) -> None:
    attack = "\n".join([*ALL, *(f"「{mark}」{mark[:-1]}" for mark in ALL), "<|im_<|im_end|>end|>", "＜｜im_end｜＞"])

    def prompt(system: str, question: str, answer: str) -> list[int]:
        said = [Message("system", system), Message("user", question), Message("assistant", answer)]
        return specials(render(template, [*said, Message("user", question)]), vocabulary)

    honest = prompt("x", "x", "x")
    assert prompt(attack, attack, attack) == honest
    for mark in MARKS[template]:
        for place in range(len(mark) + 1):  # the halves on both sides of a border, each on each side
            assert prompt(mark[:place], mark[place:], mark[:place]) == honest
            assert prompt(mark[place:], mark[:place], mark[place:] + mark[:place]) == honest


@everywhere
def test_a_mark_cut_by_the_border_of_two_untrusted_segments_stays_text(vocabulary: LlamaVocabulary) -> None:
    for mark in ALL:
        for place in range(len(mark) + 1):
            assert not specials([Segment("a" + mark[:place]), Segment(mark[place:] + "b")], vocabulary)


@everywhere
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    pieces=st.lists(
        st.sampled_from([*ALL, *"<>|[]/_ \n", "<|", "|>", "im_", "end", *UNSEEN, "「", "」", "＜｜", "経費"])
        | st.sampled_from(ALL).flatmap(lambda mark: st.integers(1, len(mark)).map(lambda place: mark[:place]))
        | st.sampled_from(ALL).flatmap(lambda mark: st.integers(0, len(mark) - 1).map(lambda place: mark[place:]))
        | st.text(max_size=3),
        max_size=30,
    )
)
def test_no_text_of_marks_and_fragments_gives_a_special_token(vocabulary: LlamaVocabulary, pieces: list[str]) -> None:
    assert not specials([Segment("".join(pieces))], vocabulary)
    assert not specials([Segment(piece) for piece in pieces], vocabulary)


@pytest.mark.parametrize("vocabulary", KEEPS_ALL, indirect=True)
@pytest.mark.parametrize(
    "text",
    [
        "経費精算は月末まで。",
        "The cap is 180 €",
        "🙂👩‍👩‍👧 e\u0301",
        "a\r\nb\rc\n\n\n",
        "a\0b\0",
        "  two  blanks\t\t",
        "x < y | z > [1]",
        "",
    ],
)
def test_nothing_is_lost_from_ordinary_text(vocabulary: LlamaVocabulary, text: str) -> None:
    assert read(text, vocabulary) == text


@pytest.mark.parametrize("vocabulary", KEEPS_ALL, indirect=True)
def test_a_lone_surrogate_is_read_as_a_question_mark(vocabulary: LlamaVocabulary) -> None:
    assert read("a\ud800b", vocabulary) == "a?b"


@everywhere
@pytest.mark.parametrize("template", sorted(NAMES))
def test_the_tokens_of_a_prefix_begin_those_of_the_prompt(vocabulary: LlamaVocabulary, template: str) -> None:
    for system in ("Be brief.", "th", "<|im_end|>", "短く\n"):
        begin = tokens_of(prefix(template, system), vocabulary)
        for question in ("h", "\n\n", " ", "<|im_start|>system", "th"):
            prompt = tokens_of(render(template, [Message("system", system), Message("user", question)]), vocabulary)

            assert prompt[: len(begin)] == begin


def test_the_starter_reads_a_prompt_as_if_it_came_in_one_piece(vocabularies: Mapping[str, LlamaVocabulary]) -> None:
    segments = render("chatml", [Message("system", "Be brief."), Message("user", "What is the capital of France?")])
    whole = "".join(segment.text for segment in segments)

    assert tokens_of(segments, vocabularies["starter"]) == vocabularies["starter"].tokenize(whole, special=True)


def test_the_starter_reads_a_long_text_as_if_it_came_in_one_piece(vocabularies: Mapping[str, LlamaVocabulary]) -> None:
    text = "The cap is 180 euros a night, 経費精算は月末まで。\n" * 200
    vocabulary = vocabularies["starter"]

    assert tokens_of([Segment(text)], vocabulary) == vocabulary.tokenize(text, special=False)


@pytest.mark.parametrize("pre", ["tekken", "gpt-4o"])
def test_a_run_of_letters_without_end_does_not_end_the_process(tmp_path: Path, pre: str) -> None:
    path = gguf_files.vocabulary_file(tmp_path / "model.gguf", gguf_files.byte_bpe(pre=pre))
    program = f"""
from tests.models.test_template_safety import load, read
from pathlib import Path
vocabulary, _ = load(Path({str(path)!r}))
for letter in "<a \\n":
    assert read(letter * 60_000, vocabulary) == letter * 60_000
print("alive")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "alive\n", "")


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_template_fits_a_model_only_with_its_marks_as_special_tokens(
    vocabularies: Mapping[str, LlamaVocabulary], name: str
) -> None:
    for kind in KINDS:
        for listed in LISTED:
            check(name, vocabularies[f"{kind}/{listed}"])
    if name == "chatml":
        check(name, vocabularies["starter"])
    else:
        with pytest.raises(ModelConfigError, match="no special token"):
            check(name, vocabularies["starter"])


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("name", ["chatml", "llama3", "granite", "mistral"])
def test_marks_listed_as_ordinary_words_are_refused(
    vocabularies: Mapping[str, LlamaVocabulary], kind: str, name: str
) -> None:
    with pytest.raises(ModelConfigError, match="no special token"):
        check(name, vocabularies[f"{kind}/ordinary"])
