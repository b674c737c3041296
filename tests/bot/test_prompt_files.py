from __future__ import annotations

import re
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import SettingsError
from bot.prompt_files import ANSWER, MOST_CHARACTERS, SHIPPED, load_prompts, read_prompt, shipped
from bot.prompting import NOT_THERE

HEAD = "---\nname: answer\nversion: 2-house\npurpose: ours\n---\n"
ROOT = Path(__file__).parents[2]


def write(folder: Path, text: str, name: str = "answer.md") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_the_shipped_prompts_are_in_the_wheel() -> None:
    packed = {file.distribution_path for file in WheelBuilder(str(ROOT)).recurse_included_files()}
    assert {f"bot/prompts/{path.name}" for path in SHIPPED.iterdir()} <= packed
    assert "bot/prompts/answer.md" in packed


def test_the_shipped_prompt_says_how_to_decline_and_is_named_by_version_and_hash() -> None:
    prompt = shipped()[ANSWER]
    assert f"say only: {NOT_THERE}." in prompt.text
    assert "{{" not in prompt.text
    assert re.fullmatch(r"answer@2\+[0-9a-f]{8}", prompt.version)
    assert prompt.system.text == prompt.text


def test_every_shipped_prompt_could_replace_itself() -> None:
    for name, prompt in shipped().items():
        assert read_prompt(prompt.path) == prompt
        assert prompt.name == name == prompt.path.stem


def test_a_file_of_the_same_name_wins_and_an_edit_is_told_apart(tmp_path: Path) -> None:
    assert load_prompts(None) == shipped()
    write(tmp_path / "prompts", HEAD + "Answer. Else: {{not_there}}\n")
    first = load_prompts(tmp_path / "prompts")[ANSWER]
    assert first.text == f"Answer. Else: {NOT_THERE}"
    write(tmp_path / "prompts", HEAD + "Answer well. Else: {{ not_there }}\n")
    second = load_prompts(tmp_path / "prompts")[ANSWER]
    assert first.version.startswith("answer@2-house+")
    assert second.version.startswith("answer@2-house+")
    assert first.version != second.version


def test_how_a_file_was_saved_makes_no_other_prompt(tmp_path: Path) -> None:
    plain = read_prompt(write(tmp_path, HEAD + "One.\nTwo: {{not_there}}\n"))
    windows = tmp_path / "windows.md"
    windows.write_bytes(b"\xef\xbb\xbf" + (HEAD + "One.\nTwo: {{not_there}}\n\n").replace("\n", "\r\n").encode())
    assert read_prompt(windows).version == plain.version


def test_what_stands_in_a_prompt_is_no_format_string(tmp_path: Path) -> None:
    odd = 'Braces {0} {question} {"a": {"b": 1}} %s $x \\1 stay.'
    assert read_prompt(write(tmp_path, f"{HEAD}{odd} {{{{not_there}}}}")).text == f"{odd} {NOT_THERE}"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "answer.md, line 1: a prompt begins with a line ---"),
        ("Answer well.", "answer.md, line 1: a prompt begins"),
        ("---\nname: answer\n", "answer.md, line 3: the front matter does not end"),
        ("---\nname: answer\nversion 2\n---\nx", "answer.md, line 3: 'version 2' is not one of name, version, purpose"),
        ("---\nname: answer\nname: answer\n---\nx", "answer.md, line 3"),
        ("---\nname: answer\nmodel: big\n---\nx", "answer.md, line 3: 'model: big' is not one of"),
        ("---\nname:\n---\nx", "answer.md, line 2"),
        ("---\nname: answer\nversion: 2 or 3\n---\nx", "answer.md, line 3: the version may have"),
        ("---\nname: answer\npurpose: p\n---\nx", "answer.md, line 4: the front matter has no version"),
        (HEAD + "\n \n", "answer.md, line 5: nothing stands after the front matter"),
        (HEAD + "a\n{{not_there}} {{question}}", "answer.md, line 7: {{question}} is no placeholder: there is {{not_there}}"),
        (HEAD + "{{not_there}}\nb {{not_there", "answer.md, line 7: {{ without its }} is no placeholder"),
        (HEAD + "Answer.", "answer.md: the text must say {{not_there}}"),
        (HEAD + "{{not_there}}" + "x" * MOST_CHARACTERS, "8,020 characters"),
        (HEAD.replace("name: answer", "name: judge") + "x", "Kura has no prompt named judge"),
    ],
)  # fmt: skip
def test_a_broken_file_gets_one_sentence_naming_file_and_line(tmp_path: Path, text: str, says: str) -> None:
    write(tmp_path / "prompts", text)
    with pytest.raises(SettingsError) as caught:
        load_prompts(tmp_path / "prompts")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.text(max_size=200) | st.text("{}not_there\n "))
def test_whatever_stands_in_a_file_it_is_a_prompt_or_a_sentence(text: str) -> None:
    source = f"{HEAD}{text}"
    path = Path("any.md")
    path.write_bytes(source.encode("utf-8", "replace"))
    said = ""
    try:
        read = read_prompt(path).text
    except SettingsError as error:
        read, said = "", str(error)
    assert NOT_THERE in read or "any.md" in said


def test_a_folder_or_file_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"answer\.prompts: the folder .*none cannot be read"):
        load_prompts(tmp_path / "none")
    write(tmp_path / "prompts", HEAD + "{{not_there}}", "anwser.md")
    with pytest.raises(SettingsError, match=r"anwser\.md: Kura has no prompt named anwser; did you mean answer\.md"):
        load_prompts(tmp_path / "prompts")
    (tmp_path / "prompts" / "anwser.md").unlink()
    (tmp_path / "prompts" / "answer.md").mkdir()
    with pytest.raises(SettingsError, match=r"answer\.md cannot be read"):
        load_prompts(tmp_path / "prompts")
    (tmp_path / "latin.md").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="not UTF-8"):
        read_prompt(tmp_path / "latin.md")
