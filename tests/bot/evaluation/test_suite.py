from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from hashlib import sha256
from pathlib import Path

import pytest

from bot.evaluation.errors import SuiteError
from bot.evaluation.suite import Case, add_cases, load

YAML = """\
# Golden questions of the travel desk.
- question: What is the hotel limit?
  accepted: [180 EUR, 180]   # either will do
  source: travel.md
  tags: [money]
- id: leave
  question: 有給休暇は何日付与されますか。
  accepted: 10日
  language: ja
- question: Is there a submarine?
  must_refuse: yes
"""


def written(tmp_path: Path, text: str, name: str = "desk.yaml") -> Path:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_yaml_and_json_lines_say_the_same(tmp_path: Path) -> None:
    suite = load(written(tmp_path, YAML))
    lines = "\n \r\n".join(case.model_dump_json(exclude_defaults=True) for case in suite.cases)
    again = load(written(tmp_path, lines, "other.jsonl"))
    assert suite.name == "desk"
    assert again.cases == suite.cases
    assert again.sha256 == suite.sha256
    first, second, third = suite.cases
    assert first.accepted == ("180 EUR", "180")
    assert first.source == ("travel.md",)
    assert (second.id, second.accepted) == ("leave", ("10日",))
    assert third.must_refuse


def test_the_digest_is_of_what_the_cases_say(tmp_path: Path) -> None:
    suite = load(written(tmp_path, YAML))
    assert load(written(tmp_path, "# moved\n\n" + YAML)).sha256 == suite.sha256
    assert load(written(tmp_path, YAML.replace("180 EUR", "190 EUR"))).sha256 != suite.sha256


def test_a_conversation_is_another_case_and_one_that_follows_nothing_is_what_it_was(tmp_path: Path) -> None:
    one = load(written(tmp_path, "- question: And in Oslo?\n"))
    two = load(written(tmp_path, "- question: And in Oslo?\n  follows: What is the hotel limit in Bergen?\n"))
    assert two.cases[0].follows == ("What is the hotel limit in Bergen?",)
    assert one.cases[0].id != two.cases[0].id
    before = one.cases[0].model_dump_json(exclude={"follows"})
    assert one.sha256 == sha256(before.encode()).hexdigest()
    assert one.sha256 != two.sha256


def test_what_yaml_would_make_a_number_a_date_or_a_truth_stays_what_stands_there(tmp_path: Path) -> None:
    suite = load(written(tmp_path, "- question: q\n  accepted: [1_000, 2026-04-01, no, 0x10, 1e3, null]\n"))
    assert suite.cases[0].accepted == ("1_000", "2026-04-01", "no", "0x10", "1e3", "null")


@pytest.mark.parametrize(
    ("text", "name", "parts"),
    [
        ("- question: a\n- accepted: [x]\n", "s.yaml", ("line 2", "case 2", "question")),
        ("- question: a\n  anwsers: [x]\n", "s.yaml", ("line 1", "anwsers", "accepted")),
        ("- question: a\n  must_refuse: perhaps\n", "s.yaml", ("line 1", "must_refuse")),
        ("- question: a\n  must_refuse: true\n  accepted: x\n", "s.yaml", ("line 1", "refused")),
        ("- question: ''\n", "s.yaml", ("line 1", "question")),
        ("- question: a\n  language: fr\n", "s.yaml", ("language",)),
        ("- question: a\n- question: a\n", "s.yaml", ("line 2", "case 2", "line 1")),
        ("- question: a\n  question: b\n", "s.yaml", ("line 1", "twice")),
        ("- question: [a\n", "s.yaml", ("line 2", "YAML")),
        ("- question: \x01\n", "s.yaml", ("YAML",)),
        ("- ? [a]\n  : b\n", "s.yaml", ("line 1", "YAML")),
        ("- question: *nobody\n", "s.yaml", ("line 1", "YAML")),
        ("- just text\n", "s.yaml", ("line 1", "mapping")),
        ("question: a\n", "s.yaml", ("no list",)),
        ("", "s.yaml", ("no cases",)),
        ("# nothing yet\n", "s.yaml", ("no cases",)),
        ("[" * 5000, "s.yaml", ("deeply",)),
        ('{"question": "a"}\nnot json\n', "s.jsonl", ("line 2", "JSON")),
        ('{"question": "a"}\n[1]\n', "s.jsonl", ("line 2", "case 2", "mapping")),
        ('{"question": "\\ud800"}\n', "s.jsonl", ("line 1", "question")),
        ('{"question": "a", "question": "b"}\n', "s.jsonl", ("line 1", "twice")),
        ("[" * 200_000, "s.jsonl", ("line 1",)),
        ("{}", "s.txt", (".yaml", ".jsonl")),
    ],
)
def test_a_fault_is_one_sentence_with_its_place(tmp_path: Path, text: str, name: str, parts: tuple[str, ...]) -> None:
    path = written(tmp_path, text, name)
    with pytest.raises(SuiteError) as caught:
        load(path)
    said = str(caught.value)
    assert "\n" not in said
    assert said.startswith(str(path))
    for part in parts:
        assert part in said


def test_aliases_do_not_multiply(tmp_path: Path) -> None:
    """Nested aliases, and merge keys, which a loader with types would unfold."""
    bomb = "- question: &a [x,x,x,x,x,x,x,x,x]\n"
    for one, before in zip("bcdefghij", "abcdefghi", strict=True):
        bomb += f"  {one}: &{one} [{','.join([f'*{before}'] * 9)}]\n"
    with pytest.raises(SuiteError):
        load(written(tmp_path, bomb))


def test_tags_of_yaml_make_no_objects(tmp_path: Path) -> None:
    with pytest.raises(SuiteError):
        load(written(tmp_path, "- question: !!python/object/apply:os.getcwd []\n"))


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"- question: caf\xe9\n")
    for path in (tmp_path / "missing.yaml", tmp_path, tmp_path / "latin.yaml"):
        with pytest.raises(SuiteError, match=str(path)):
            load(path)


@pytest.mark.parametrize("name", ["suite.yaml", "suite.jsonl"])
def test_a_case_is_added_to_a_file_that_is_not_there_yet_and_to_one_that_is(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    cases = [
        Case(question="What: is # this?", accepted=("no", "180", "- x"), tags=("thumbs-down",)),
        Case(question="何ですか。", must_refuse=True, groups=("hr",)),
        Case(id="third", question="line one\nline two", source=("a b.md",)),
    ]
    for case in cases:
        assert add_cases(path, [case]) == (case.named(),)
    assert load(path).cases == tuple(case.named() for case in cases)
    assert [one.name for one in tmp_path.iterdir() if name in one.name] == [name]


def test_adding_keeps_comments_and_layout(tmp_path: Path) -> None:
    path = written(tmp_path, textwrap.indent(YAML, "  ").removesuffix("\n"))
    path.chmod(0o640)
    before = path.read_text(encoding="utf-8")
    add_cases(path, [Case(question="Another?", accepted=("x",))])
    assert path.read_text(encoding="utf-8").startswith(before)
    assert load(path).cases[-1].question == "Another?"
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    "text",
    ["[{question: a}]\n", "- question: a\n...\n", "- question: |\n    a\n\n- question: b\n  reference: |+\n    c\n"],
)
def test_a_file_that_cannot_take_the_case_stays_as_it_is_or_takes_it(tmp_path: Path, text: str) -> None:
    path = written(tmp_path, text)
    before = load(path).cases
    try:
        add_cases(path, [Case(question="Another?")])
    except SuiteError:
        assert path.read_text(encoding="utf-8") == text
    else:
        assert load(path).cases[:-1] == before


def test_a_case_that_is_there_is_not_added_twice(tmp_path: Path) -> None:
    path = written(tmp_path, json.dumps({"id": "one", "question": "a"}), "s.jsonl")
    same = [Case(question="a"), Case(id="one", question="b"), Case(question="c"), Case(question="c")]
    assert [one.question for one in add_cases(path, [*same, Case(question="a", groups=("hr",))])] == ["c", "a"]
    assert [one.question for one in load(path).cases] == ["a", "c", "a"]


def test_of_many_who_add_at_once_no_case_is_lost(tmp_path: Path) -> None:
    path, each = tmp_path / "s.yaml", 8
    program = (
        "import sys; from pathlib import Path; from bot.evaluation.suite import Case, add_cases\n"
        f"for n in range({each}): add_cases(Path({str(path)!r}), [Case(question=f'{{sys.argv[1]}} asks {{n}}')])"
    )
    adding = [subprocess.Popen([sys.executable, "-c", program, str(one)]) for one in range(3)]
    assert [one.wait() for one in adding] == [0, 0, 0]
    assert {one.question for one in load(path).cases} == {f"{one} asks {n}" for one in range(3) for n in range(each)}
    assert [one.name for one in tmp_path.iterdir() if "s.yaml" in one.name] == ["s.yaml"]


def test_the_example_suite_names_documents_that_hold_its_answers() -> None:
    examples = Path(__file__).parents[3] / "examples"
    suite = load(examples / "handbook.yaml")
    assert suite.name == "handbook"
    assert sum(case.must_refuse for case in suite.cases) >= 5
    for case in suite.cases:
        for source in case.source:
            file = examples / "handbook" / source
            assert file.is_file()
            if file.suffix == ".md":
                assert any(accepted in file.read_text(encoding="utf-8") for accepted in case.accepted), case.id
