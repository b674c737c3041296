from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from langchain_core.outputs import ChatGenerationChunk
from pydantic import PrivateAttr

from models.fakes import ScriptedChat
from tests.bot.cli.conftest import Ended

Kura = Callable[..., Ended]
HOTEL = "What is the hotel limit per night in Europe?"


def test_an_answer_shows_its_citations_with_file_and_line(kura: Kura, ingested: Path) -> None:
    ended = kura("ask", HOTEL)
    assert ended.code == 0
    assert "The hotel limit is 180 EUR per night in Europe." in ended.out
    assert "[2] Travel policy › Hotels" in ended.out
    assert f"{ingested / 'travel.md'}:5" in ended.out.replace("../docs", str(ingested))


def test_a_misspelt_word_is_told_with_what_it_was_taken_for(kura: Kura, ingested: Path) -> None:
    ended = kura("ask", HOTEL.replace("hotel", "hotle"))
    assert f"Searched for: {HOTEL}" in ended.out
    assert "The hotel limit is 180 EUR per night in Europe." in ended.out
    assert "Searched for" not in kura("ask", HOTEL).out


def test_the_json_of_an_answer_has_the_agreed_fields(kura: Kura, ingested: Path) -> None:
    answer = kura("ask", "--json", HOTEL).json
    assert answer.keys() >= {
        "id", "question", "answer", "refused", "style", "citations", "model", "usage", "timings", "trace_id",
    }  # fmt: skip
    assert (answer["question"], answer["refused"], answer["style"]) == (HOTEL, False, "quote")
    citation = answer["citations"][0]
    assert citation.keys() >= {"n", "document_id", "chunk_id", "title", "heading", "address", "quote", "start", "end"}
    assert (
        Path(citation["address"]).read_text(encoding="utf-8")[citation["start"] : citation["end"]] == citation["quote"]
    )
    assert answer["usage"].keys() == {"prompt_tokens", "completion_tokens"}
    assert answer["timings"].keys() == {"search_ms", "first_token_ms", "total_ms"}


def test_a_citation_can_be_opened_at_its_place(kura: Kura, ingested: Path) -> None:
    citation = kura("ask", "--json", HOTEL).json["citations"][0]
    shown = kura("show", citation["document_id"], "--start", str(citation["start"]), "--end", str(citation["end"]))
    assert shown.out == citation["quote"]
    assert kura("show", "0000").code == 1


def test_groups_decide_what_is_answered(kura: Kura, ingested: Path) -> None:
    question = "What is the top of the G4 engineer band?"
    assert kura("ask", "--json", question).json["refused"]
    assert "9,800,000" in kura("ask", "--json", "--as", "mori", "--group", "hr", question).json["answer"]
    assert kura("search", "--json", "G4 engineer band").json["hits"][0]["title"] != "Salary bands"


def test_a_search_gives_passages_in_the_agreed_shape(kura: Kura, ingested: Path) -> None:
    found = kura("search", "--json", "-k", "2", "hotel limit").json
    assert found.keys() >= {"id", "question", "hits"}
    assert found["hits"][0].keys() >= {"document_id", "chunk_id", "title", "heading", "address", "text", "score"}
    assert len(found["hits"]) <= 2
    assert "Travel policy › Hotels" in kura("search", "hotel limit").out


def test_a_search_marks_what_has_changed_and_drops_what_is_gone(kura: Kura, ingested: Path) -> None:
    before = kura("search", "--json", HOTEL).json["hits"]
    assert {hit["title"]: hit["changed"] for hit in before} == {"Travel policy": False, "休暇規程": False}
    assert "has changed since" not in kura("search", HOTEL).out
    (ingested / "休暇.md").unlink()
    with (ingested / "travel.md").open("a", encoding="utf-8") as file:
        file.write("Taxis are not paid.\n")
    after = kura("search", "--json", HOTEL).json["hits"]
    assert {hit["title"]: hit["changed"] for hit in after} == {"Travel policy": True}
    assert "(the file has changed since it was read)" in kura("search", HOTEL).out
    assert "(the file has changed since it was read)" in kura("ask", HOTEL).out


def test_no_answer_tells_where_an_upload_lies(kura: Kura, tmp_path: Path) -> None:
    Path("kura.toml").write_text('[[sources]]\nname = "letters"\nkind = "upload"\n')
    assert kura("ingest").code == 0  # nothing is there yet: the folder is made
    (folder,) = (tmp_path / "data" / "uploads").iterdir()
    (folder / "travel.md").write_text("# Travel\n\nThe hotel limit is 180 EUR per night in Europe.\n")
    (folder / "canteen.md").write_text("# Canteen\n\nIt opens at noon.\n")
    assert kura("ingest").code == 0
    citation = kura("ask", "--json", HOTEL).json["citations"][0]
    assert citation["address"] == f"/v1/documents/{citation['document_id']}"
    outs = [kura(*command, "--json").out for command in (["ask", HOTEL], ["ask", "Who won?"], ["search", HOTEL])]
    outs.append(kura("show", citation["document_id"], "--json").out)
    assert all("/v1/documents/" in out and str(tmp_path) not in out for out in outs)
    (folder / "travel.md").unlink()
    # where it lies is still known inside
    assert {hit["title"] for hit in kura("search", "--json", HOTEL).json["hits"]} == {"Canteen"}


def test_a_file_of_questions_is_answered_in_order(kura: Kura, ingested: Path, tmp_path: Path) -> None:
    lines = [{"id": "b", "question": HOTEL}, {"id": "a", "question": "有給休暇は何日付与されますか。"}]
    file = tmp_path / "questions.jsonl"
    file.write_text("\n".join(json.dumps(line) for line in lines) + "\n", encoding="utf-8")
    ended = kura("ask", "--jsonl", str(file))
    answers = [json.loads(line) for line in ended.out.splitlines()]
    assert [answer["id"] for answer in answers] == ["b", "a"]
    assert "10日" in answers[1]["answer"]
    searches = [json.loads(line) for line in kura("search", "--jsonl", str(file), "-k", "1").out.splitlines()]
    assert [(found["id"], len(found["hits"])) for found in searches] == [("b", 1), ("a", 1)]


def test_questions_come_from_standard_input_and_a_bad_line_has_its_error(
    kura: Kura, ingested: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = ['{"id": "1", "question": "hotel limit?"}', "no json", '{"id": "3", "question": ""}', '{"id": "4"}']
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(lines)))
    ended = kura("ask", "--jsonl", "-")
    assert ended.code == 1
    answers = [json.loads(line) for line in ended.out.splitlines()]
    assert ["error" in answer for answer in answers] == [False, True, True, True]
    assert answers[2] == {"id": "3", "error": "The question is empty: ask something."}


def test_a_thread_goes_on_in_the_next_command(kura: Kura, ingested: Path) -> None:
    kura("ask", "--thread", "t", HOTEL)
    assert "Breakfast is paid by the company." in kura("ask", "--thread", "t", "And what about breakfast there?").out


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["ask"], 2, "QUESTION"),
        (["ask", "x", "--jsonl", "y"], 2, "QUESTION"),
        (["ask", ""], 2, "The question is empty"),
        (["ask", "x" * 100_000], 2, "100,000 characters"),
        (["ask", "--jsonl", "nowhere.jsonl"], 2, "nowhere.jsonl cannot be read"),
        (["ask", "caf\udce9"], 2, "not valid UTF-8"),
        (["search", "caf\udce9"], 2, "not valid UTF-8"),
        (["ask", "x", "--thread", "caf\udce9"], 2, "not valid UTF-8"),
        (["ask", "x", "--data-dir", ""], 2, "the path is empty"),
        (["ask", "--jsonl", ""], 2, "the path is empty"),
        (["ask", "x", "--style", "poem"], 2, "no answer style 'poem'"),
        (["search", "x", "-k", "0"], 2, "-k"),
        (["frobnicate"], 2, "frobnicate"),
    ],
)
def test_wrong_usage_is_said_in_a_sentence(kura: Kura, arguments: list[str], code: int, says: str) -> None:
    ended = kura(*arguments)
    assert ended.code == code
    assert says in ended.err
    assert ended.out == ""


def test_before_anything_is_ingested_it_says_what_to_do(kura: Kura) -> None:
    ended = kura("ask", "--json", HOTEL)
    assert ended.code == 0
    assert ended.json["refused"]
    assert "kura ingest" in ended.err


def test_a_damaged_model_is_refused_before_llama_cpp_sees_it(
    kura: Kura, ingested: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from models.cards import starter_chat

    card = starter_chat()
    half = tmp_path / "half.gguf"
    half.write_bytes(card.path.read_bytes()[:1_000_000])
    monkeypatch.setenv("KURA_MODEL_PATH", str(half))
    ended = kura("ask", HOTEL)
    assert ended.code == 1
    assert "half.gguf" in ended.err
    monkeypatch.setenv("KURA_MODEL_PATH", str(card.path))
    monkeypatch.setenv("KURA_MODEL_SHA256", "0" * 64)
    assert "checksum" in kura("ask", HOTEL).err


def test_text_of_documents_cannot_steer_the_terminal(kura: Kura, docs: Path) -> None:
    (docs / "evil.md").write_text(
        "# Evil\n\nThe lighthouse code is \x1b[31mred\x1b[0m [bold]now[/bold].\n", encoding="utf-8"
    )
    kura("ingest", str(docs))
    out = kura("ask", "What is the lighthouse code?").out
    assert "\x1b" not in out
    assert "[bold]now[/bold]" in out


def test_odd_lines_get_their_error_and_the_others_their_answer(kura: Kura, ingested: Path, tmp_path: Path) -> None:
    lines = ['{"id": "1", "question": "hotel limit?"}', "", "[" * 200_000]
    lines += [r'{"id": "4", "question": "\ud800"}', r'{"id": "\ud800", "question": "x"}']
    file = tmp_path / "odd.jsonl"
    file.write_text("\n".join(lines), encoding="utf-8-sig")
    ended = kura("ask", "--jsonl", str(file))
    answers = [json.loads(line) for line in ended.out.splitlines()]
    assert [(answer["id"], "error" in answer) for answer in answers] == [
        ("1", False), (None, True), ("4", True), (None, True),
    ]  # fmt: skip
    assert "line 3 " in answers[1]["error"]
    assert "UTF-8" in answers[2]["error"]


def test_empty_lines_of_standard_input_are_passed_over(
    kura: Kura, ingested: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO('\ufeff{"id": "1", "question": "hotel limit?"}\n\n  \n'))
    ended = kura("ask", "--jsonl", "-")
    assert (ended.code, len(ended.out.splitlines())) == (0, 1)


class LoopBoundChat(ScriptedChat):
    """A chat model whose connection, as an HTTP client's, lives on the event loop of its first call."""

    _loop: Any = PrivateAttr(default=None)

    async def _astream(self, *arguments: Any, **named: Any) -> AsyncIterator[ChatGenerationChunk]:
        self._loop = self._loop or asyncio.get_running_loop()
        if self._loop.is_closed():
            raise RuntimeError("Event loop is closed")
        for chunk in self._stream(*arguments, **named):
            yield chunk


def test_a_file_of_questions_is_answered_on_one_event_loop(kura: Kura, ingested: Path, tmp_path: Path) -> None:
    said = "The hotel limit is 180 EUR per night in Europe. [1]"
    Path("kura.toml").write_text(
        f'[model]\ncomponent = "{__name__}.LoopBoundChat"\narguments = {{ answers = ["{said}", "{said}"] }}\n'
    )
    file = tmp_path / "two.jsonl"
    file.write_text("".join(json.dumps({"id": n, "question": HOTEL}) + "\n" for n in "ab"), encoding="utf-8")
    ended = kura("ask", "--jsonl", str(file))
    assert [json.loads(line).get("style") for line in ended.out.splitlines()] == ["generate", "generate"]


def test_a_model_server_that_is_not_there_is_said(kura: Kura, ingested: Path) -> None:
    arguments = '{ base_url = "http://127.0.0.1:9/v1", model = "m", api_key = "k3y", max_retries = 0 }'
    Path("kura.toml").write_text(f'[model]\ncomponent = "langchain_openai.ChatOpenAI"\narguments = {arguments}\n')
    ended = kura("ask", HOTEL)
    assert ended.code == 1
    assert "model.component (langchain_openai.ChatOpenAI) did not answer" in ended.err
    assert "k3y" not in ended.err


def test_questions_and_searches_are_narrowed_by_options_and_in_their_text(kura: Kura, ingested: Path) -> None:
    def titles(*arguments: str) -> set[str]:
        return {hit["title"] for hit in kura("search", "--json", *arguments).json["hits"]}

    everything = titles("hotel limit")
    japanese = titles("hotel limit", "--lang", "ja")
    assert japanese < everything
    assert japanese == titles("hotel limit lang:ja")
    assert titles("hotel limit", "--source", "nothing") == set()
    assert titles("hotel limit", "--after", "2000", "--before", "2001") == set()
    assert titles("hotel limit", "--after", "2000") == everything
    assert not kura("ask", "--json", HOTEL, "--lang", "en").json["refused"]
    refused = kura("ask", HOTEL, "--source", "People team").out
    assert 'Only those that fit source:"People team" were searched.' in " ".join(refused.split())


def test_filters_that_cannot_be_end_the_command(kura: Kura, ingested: Path) -> None:
    for arguments in (("hotel", "--after", "soon"), ("hotel lang:xx",), ("lang:ja",)):
        ended = kura("search", *arguments)
        assert ended.code == 2
        assert ended.err.count("\n") == 1
