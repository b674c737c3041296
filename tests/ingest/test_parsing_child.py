"""A child's end when nobody needs it any more, and the real files that do harm: bombs, entities, depth, thousands of wrecks."""

from __future__ import annotations

import io
import os
import random
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.errors import DocumentError, ParserStopped
from ingest.parsing import ChildParser, Parsed, ParseLimits, ParseRequest
from ingest.parsing_child import Setup

ROOT = Path(__file__).parents[2]
WAIT_S = 20.0
GOOD = b"# Good\n\nA good document.\n"
WRECKS = 2_000


@pytest.fixture(scope="module")
def parser() -> Iterator[ChildParser]:
    made = ChildParser(limits=ParseLimits(seconds=20))
    yield made
    made.close()


def outcome(parser: ChildParser, name: str, data: bytes) -> Parsed | DocumentError:
    """What becomes of a file; a good one behind it must be parsed."""
    (_, found), (_, good) = parser.parse_all([ParseRequest(name, name, data), ParseRequest("good", "good.md", GOOD)])
    assert isinstance(good, Parsed)
    return found


def gone(pid: int) -> bool:
    ends_at = time.monotonic() + WAIT_S
    while time.monotonic() < ends_at:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        if sys.platform == "linux" and ") Z " in Path(f"/proc/{pid}/stat").read_text():
            return True  # ended; whoever inherited it has not looked yet
        time.sleep(0.01)
    return False


@pytest.mark.parametrize("deed", ["sleep 600", "loop"])
def test_a_child_ends_with_its_parent_even_at_work(deed: str) -> None:
    program = (
        "import threading, time\n"
        "from ingest.parsing import *\n"
        "from tests.ingest.hostile_loader import LOADER, order\n"
        "parser = ChildParser(loader=LOADER)\n"
        f"work = lambda: list(parser.parse_all([ParseRequest('a', 'a.md', order({deed!r}))]))\n"
        "list(parser.parse_all([ParseRequest('a', 'a.md', b'good')]))\n"
        "threading.Thread(target=work).start()\n"
        "time.sleep(0.2)\n"
        "print(*parser.pids, flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        os.kill(child, 0)
        parent.send_signal(signal.SIGKILL)
        assert gone(child)


def test_a_child_without_a_parent_to_answer_ends_at_once() -> None:
    setup = Setup(1, os.getpid() + 1, ParseLimits(), 1600, "ingest.loaders:parse")
    done = subprocess.run(
        [sys.executable, "-m", "ingest.parsing_child", setup.encode()],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=WAIT_S,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_a_setup_travels_whole() -> None:
    setup = Setup(5, 17, ParseLimits(1.5, 10**9, 20, 30), 800, "a.b:c")
    assert Setup.decode(setup.encode()) == setup


# --- files that do harm ---

WORD_XML = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
TYPES = (
    b'<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    b'<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    b'<Default Extension="xml" ContentType="application/xml"/><Override PartName="/word/document.xml" '
    b'ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>'
)
RELATIONS = (
    b'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" '
    b'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" '
    b'Target="word/document.xml"/></Relationships>'
)


def docx(document: bytes, **parts: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("[Content_Types].xml", TYPES)
        archive.writestr("_rels/.rels", RELATIONS)
        archive.writestr("word/document.xml", document)
        for name, data in parts.items():
            archive.writestr(name, data)
    return made.getvalue()


def body(inner: str, before: str = "") -> bytes:
    return (
        f'<?xml version="1.0"?>{before}<w:document xmlns:w="{WORD_XML}"><w:body>{inner}</w:body></w:document>'.encode()
    )


def paragraph(text: str) -> str:
    return f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"


def test_the_word_files_of_these_tests_are_good_but_for_the_harm(parser: ChildParser) -> None:
    found = outcome(parser, "a.docx", docx(body(paragraph("hello"))))
    assert isinstance(found, Parsed)
    assert found.document.text == "hello"


def test_an_archive_that_unpacks_without_end_is_refused(parser: ChildParser) -> None:
    bomb = docx(body(paragraph("hello")), bomb=bytes(400 * 2**20))
    assert len(bomb) < 4 * 2**20
    assert isinstance(outcome(parser, "bomb.docx", bomb), DocumentError)


def test_an_archive_that_lies_about_its_size_is_stopped() -> None:
    bomb = bytearray(docx(body(paragraph("x" * 2**28))))
    directory = bomb.rindex(b"PK\x01\x02")  # of word/document.xml, the last
    bomb[directory + 24 : directory + 28] = (1_000).to_bytes(4, "little")
    parser = ChildParser(limits=ParseLimits(seconds=20, memory_bytes=2**29))
    assert isinstance(outcome(parser, "bomb.docx", bytes(bomb)), DocumentError)
    parser.close()


@pytest.mark.parametrize("name", ["a.docx", "a.html", "a.txt", "a.md"])
def test_entities_neither_read_files_nor_multiply(parser: ChildParser, name: str) -> None:
    bombs = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    kind = f'<!DOCTYPE x [<!ENTITY e0 "boom"><!ENTITY file SYSTEM "file:///etc/passwd">{bombs}]>'
    if name == "a.docx":
        data = docx(body(paragraph("seen &file; &e9;"), kind))
    else:
        data = f'{kind}<svg xmlns="http://www.w3.org/2000/svg"><text>seen &file; &e9;</text></svg>'.encode()
    found = outcome(parser, name, data)
    if isinstance(found, Parsed):
        assert "root:" not in found.document.text
        assert len(found.document.text) < 10 * len(data) + 1_000


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.html", b"<div>" * 200_000 + b"deep"),
        ("a.html", b"<table><tr><td>" * 20_000 + b"deep"),
        ("a.html", b"<ul><li>" * 50_000 + b"deep"),
        ("a.docx", docx(body("<w:sdt><w:sdtContent>" * 50_000 + paragraph("deep")))),
        ("a.md", b"> " * 50_000 + b"deep"),
        ("a.md", b"- " * 20_000 + b"deep"),
        ("a.md", b"[" * 100_000 + b"deep"),
        ("a.txt", b"\n\n".join([b"1. A"] * 50_000)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_depth_ends_nothing_but_the_document(parser: ChildParser, name: str, data: bytes) -> None:
    assert outcome(parser, name, data) is not None


def pdf(pages: int) -> bytes:
    kids = b" ".join(b"%d 0 R" % (4 + n) for n in range(pages))
    content = b"BT /F1 12 Tf 72 700 Td (A line of text on each of the pages) Tj ET"
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[" + kids + b"]/Count %d>>" % pages,
        b"<</Length %d>>stream\n%s\nendstream" % (len(content), content),
    ] + [
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 3 0 R/Resources<</Font<</F1<</Type/Font"
        b"/Subtype/Type1/BaseFont/Helvetica>>>>>>>>"
    ] * pages
    made, places = bytearray(b"%PDF-1.4\n"), []
    for number, one in enumerate(objects, 1):
        places.append(len(made))
        made += b"%d 0 obj\n%s\nendobj\n" % (number, one)
    at = len(made)
    made += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    made += b"".join(b"%010d 00000 n \n" % place for place in places)
    return bytes(made + b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, at))


def test_a_pdf_of_ten_thousand_pages_is_read_or_stopped(parser: ChildParser) -> None:
    found = outcome(parser, "long.pdf", pdf(10_000))
    assert isinstance(found, Parsed | ParserStopped)


def test_a_pdf_of_a_few_pages_is_read(parser: ChildParser) -> None:
    found = outcome(parser, "short.pdf", pdf(3))
    assert isinstance(found, Parsed)
    assert found.document.text.count("each of the pages") == 3


def wrecks() -> Iterator[ParseRequest]:
    """Good files with bytes changed, cut off, put twice, or replaced by noise; the same at each run."""
    chance = random.Random(7)  # noqa: S311 - no secret
    originals = {
        ".docx": docx(body(paragraph("hello") * 20)),
        ".pdf": pdf(2),
        ".html": b"<!doctype html><html><body><h1>T</h1><table><tr><td>a</td></tr></table><ul><li>b</ul></body>" * 3,
        ".md": "---\ntitle: a\n---\n# T\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```\ncode\n```\n経費\n".encode(),
        ".txt": "1. First\n\nText こんにちは\n\n第1章 はじめに\n".encode("cp932"),
    }
    for number in range(WRECKS):
        suffix, original = list(originals.items())[number % len(originals)]
        data = bytearray(original)
        for _ in range(chance.randrange(1, 40)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        match chance.randrange(4):
            case 0:
                del data[chance.randrange(len(data)) :]
            case 1:
                data[chance.randrange(len(data)) :] = chance.randbytes(chance.randrange(500))
            case 2:
                data *= 2
        yield ParseRequest(f"{number}", f"{number}{suffix}", bytes(data))


def test_thousands_of_wrecks_have_a_verdict_each_and_good_documents_between_them_are_parsed(
    parser: ChildParser,
) -> None:
    def mixed() -> Iterator[ParseRequest]:
        for wreck in wrecks():
            yield wreck
            yield ParseRequest("good", "good.md", GOOD)

    verdicts = list(parser.parse_all(mixed()))
    assert len(verdicts) == 2 * WRECKS
    assert all(isinstance(found, Parsed) for request, found in verdicts if request.item == "good")
    bad = [found for request, found in verdicts if request.item != "good"]
    assert sum(isinstance(found, DocumentError) for found in bad) > WRECKS / 10
    assert not any(isinstance(found, ParserStopped) for found in bad)
