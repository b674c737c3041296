from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bot.prompt_files import SHIPPED, shipped
from bot.prompting import NOT_THERE
from tests.bot.cli.conftest import Ended

Kura = Callable[..., Ended]
HOTEL = "What is the hotel limit per night in Europe?"
OURS = "---\nname: answer\nversion: 3\npurpose: ours\n---\nBe brief. Else: {{not_there}}\n"
SAID = "The hotel limit is 180 EUR per night in Europe. [1] The moon is made of green cheese. [1]"


def override(text: str = OURS) -> Path:
    Path("prompts").mkdir(exist_ok=True)
    path = Path("prompts/answer.md")
    path.write_text(text, encoding="utf-8")
    with Path("kura.toml").open("a", encoding="utf-8") as file:
        file.write('[answer]\nprompts = "prompts"\n')
    return path


def prose_model(said: str = SAID) -> None:
    with Path("kura.toml").open("a", encoding="utf-8") as file:
        file.write(f'[model]\ncomponent = "models.fakes.ScriptedChat"\narguments = {{ answers = ["{said}"] }}\n')


def test_the_list_names_version_and_origin(kura: Kura) -> None:
    out = kura("prompts", "list").out
    assert shipped()["answer"].version in out
    assert "Kura's own" in out
    path = override()
    (row,) = (row for row in kura("prompts", "list", "--json").json if row["name"] == "answer")
    assert row["version"].startswith("answer@3+")
    assert row["path"] == str(path.resolve())


def test_what_is_shown_can_be_saved_and_begins_a_prompt_of_ones_own(kura: Kura) -> None:
    shown = kura("prompts", "show", "answer").out
    assert shown == (SHIPPED / "answer.md").read_text(encoding="utf-8")
    override(shown.replace("at most five", "at most two"))
    assert "at most two" in kura("prompts", "show", "answer").out


def test_a_diff_is_of_the_winning_file_or_of_any_other(kura: Kura) -> None:
    ended = kura("prompts", "diff", "answer")
    assert (ended.code, ended.out) == (0, "")
    assert "Nothing wins over Kura's own answer" in ended.err
    Path("draft.md").write_text("no prompt at all\n", encoding="utf-8")
    assert "+no prompt at all" in kura("prompts", "diff", "answer", "draft.md").out
    override()
    out = kura("prompts", "diff", "answer").out
    assert "--- answer.md (Kura's own)" in out
    assert "+Be brief. Else: {{not_there}}" in out
    assert "-version: 2" in out


@pytest.mark.parametrize("command", [["prompts", "list"], ["ask", HOTEL], ["models", "bench"]])
def test_a_broken_prompt_is_refused_at_the_start(kura: Kura, ingested: Path, command: list[str]) -> None:
    override("---\nname: answer\nversion: 3\npurpose: ours\n---\nBe {{brief}}.\n")
    ended = kura(*command)
    assert ended.code == 2
    assert "answer.md, line 6: {{brief}} is no placeholder" in ended.err
    assert ended.out == ""


def test_a_trial_shows_passages_and_what_was_written_beside_what_is_said(kura: Kura, ingested: Path) -> None:
    prose_model()
    Path("draft.md").write_text(OURS, encoding="utf-8")
    tried = kura("prompts", "try", "draft.md", HOTEL, "--json").json
    assert tried["prompt"].startswith("answer@3+")
    assert tried["answer"]["prompt"] == tried["prompt"]
    assert tried["written"] == SAID
    assert "green cheese" not in tried["answer"]["answer"]
    assert "180 EUR" in tried["answer"]["answer"]
    assert tried["passages"][0]["title"] == "Travel policy"
    out = kura("prompts", "try", "draft.md", HOTEL).out
    assert out.index("Prompt  answer@3+") < out.index("Travel policy") < out.index("green cheese")
    assert "What is said (generate)" in out


def test_a_trial_is_neither_kept_nor_in_force(kura: Kura, ingested: Path) -> None:
    prose_model()
    Path("draft.md").write_text(OURS, encoding="utf-8")
    kura("prompts", "try", "draft.md", HOTEL)
    assert kura("ask", "--json", HOTEL).json["prompt"] == shipped()["answer"].version


def test_a_trial_of_a_question_without_evidence_says_that_the_model_was_not_asked(kura: Kura, ingested: Path) -> None:
    prose_model()
    Path("draft.md").write_text(OURS, encoding="utf-8")
    out = kura("prompts", "try", "draft.md", "What colour is the company's submarine?").out
    assert "The model was not asked" in out
    assert "What is said (refusal)" in out


def test_the_refusal_of_a_model_that_declines_names_the_prompt(kura: Kura, ingested: Path) -> None:
    prose_model(NOT_THERE)
    answer = kura("ask", "--json", HOTEL).json
    assert answer["refused"]
    assert answer["prompt"] == shipped()["answer"].version


def test_the_quote_style_uses_no_prompt(kura: Kura, ingested: Path) -> None:
    Path("draft.md").write_text(OURS, encoding="utf-8")
    ended = kura("prompts", "try", "draft.md", HOTEL)
    assert ended.code == 2
    assert "answers in the quote style, which uses no prompt" in ended.err
    assert kura("ask", "--json", HOTEL).json["prompt"] == ""


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["show", "poem"], "no prompt named 'poem'"),
        (["diff", "poem"], "no prompt named 'poem'"),
        (["diff", "answer", "nowhere.md"], "nowhere.md cannot be read"),
        (["try", "nowhere.md", "x"], "nowhere.md cannot be read"),
        (["try", "", "x"], "the path is empty"),
    ],
)
def test_wrong_usage_is_said_in_a_sentence(kura: Kura, arguments: list[str], says: str) -> None:
    ended = kura("prompts", *arguments)
    assert ended.code == 2
    assert says in ended.err
