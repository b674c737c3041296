from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path

import bot
from bot.answers import Answer, Citation, Copy, Nearest, Timings, Usage
from bot.payloads import answer_payload, search_payload
from bot.quoting import cite, nearest
from retrieval.documents import Hit

CITATION = Citation(
    1,
    "d1",
    "c7",
    "Travel",
    ("Trips", "Hotels"),
    "travel.md",
    12,
    3,
    "The cap is 180 EUR.",
    40,
    59,
    dated=date(2025, 1, 31),
    also=(Copy("d9", "Old travel", "old.md"),),
)
ANSWER = Answer(
    "q1",
    "What is the cap?",
    "The cap is 180 EUR.[1]",
    "quote",
    (CITATION,),
    (Nearest("d2", "Meals", "meals.md", owner="Canteen team"),),
    "starter",
    Usage(11, 7),
    Timings(5.0, 6.0, 7.5),
    "t1",
    "thread-1",
    "answer@1+0a1b2c3d",
)


def test_an_answer_has_the_fields_that_programs_outside_read() -> None:
    assert answer_payload(ANSWER).model_dump() == {
        "id": "q1",
        "question": "What is the cap?",
        "answer": "The cap is 180 EUR.[1]",
        "refused": False,
        "style": "quote",
        "citations": [
            {
                "n": 1,
                "document_id": "d1",
                "chunk_id": "c7",
                "title": "Travel",
                "heading": "Trips › Hotels",
                "address": "travel.md",
                "line": 12,
                "page": 3,
                "quote": "The cap is 180 EUR.",
                "start": 40,
                "end": 59,
                "dated": date(2025, 1, 31),
                "changed": False,
                "also": [{"document_id": "d9", "title": "Old travel", "address": "old.md"}],
            }
        ],
        "nearest": [{"document_id": "d2", "title": "Meals", "address": "meals.md", "owner": "Canteen team"}],
        "model": "starter",
        "usage": {"prompt_tokens": 11, "completion_tokens": 7},
        "timings": {"search_ms": 5.0, "first_token_ms": 6.0, "total_ms": 7.5},
        "trace_id": "t1",
        "thread": "thread-1",
        "prompt": "answer@1+0a1b2c3d",
    }


def test_a_search_has_the_fields_that_programs_outside_read() -> None:
    hit = Hit("d1", "c7", "Travel", (), "travel.md", "en", 12, None, 40, 59, "The cap is 180 EUR.", 0.9, 3.1, None)
    assert search_payload("s1", "cap?", [hit]).model_dump() == {
        "id": "s1",
        "question": "cap?",
        "hits": [
            {
                "document_id": "d1",
                "chunk_id": "c7",
                "title": "Travel",
                "heading": "",
                "address": "travel.md",
                "language": "en",
                "line": 12,
                "page": None,
                "start": 40,
                "end": 59,
                "text": "The cap is 180 EUR.",
                "score": 0.9,
                "dated": None,
                "changed": False,
                "also": [],
                "rerank": None,
            }
        ],
    }


def test_an_upload_is_opened_on_the_server_and_where_it_lies_is_not_told() -> None:
    path = "/srv/kura/uploads/letters-1f/rules.pdf"
    hit = Hit("d1", "c", "Rules", (), path, "en", 1, None, 0, 4, "Text", 1.0, 1.0, None, "upload")
    citation, near = cite(1, hit, 0, 4), nearest([hit])
    payloads = (
        answer_payload(replace(ANSWER, citations=(citation,), nearest=near)).model_dump(),
        search_payload("s", "q", [hit]).model_dump(),
    )
    assert "/srv" not in str(payloads)
    assert str(payloads).count("'/v1/documents/d1'") == 3
    elsewhere = replace(hit, address="/srv/docs/rules.pdf", source_kind="folder")
    assert search_payload("s", "q", [elsewhere]).hits[0].address == "/srv/docs/rules.pdf"


def test_json_text_stays_japanese() -> None:
    hit = Hit("d", "c", "出張規程", ("宿泊",), "a.md", "ja", 1, None, 0, 2, "上限", 1.0, 1.0, None)
    assert '"title":"出張規程"' in search_payload("s", "経費", [hit]).model_dump_json()


def test_the_command_line_pays_for_no_web_framework() -> None:
    code = "import sys, bot.payloads; print(sorted({'fastapi', 'starlette', 'sqlalchemy', 'numpy'} & set(sys.modules)))"
    root = Path(bot.__file__).parents[1]
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root).stdout
    assert loaded == "[]\n"
