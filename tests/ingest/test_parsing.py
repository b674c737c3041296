"""Parsing in children: order, laziness, faults of the caller and of the start, hints, what travels."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from ingest import loaders
from ingest.errors import DocumentError, EmptyDocument, IngestError, ParserStopped, UnknownFormat
from ingest.parsing import AHEAD, ChildParser, Parsed, ParseLimits, ParseRequest
from ingest.splitting import split
from retrieval.terms import chunk_words
from tests.ingest.hostile_loader import LOADER, order

GOOD = "# Travel\n\nA hotel may cost 180 EUR.\n\n## Trains\n\n経費精算は月末までです。\n".encode()


def request(number: int, data: bytes = GOOD, suffix: str = ".md") -> ParseRequest:
    return ParseRequest(f"docs/{number}{suffix}", f"{number}{suffix}", data)


@pytest.fixture(scope="module")
def shared() -> Iterator[ChildParser]:
    parser = ChildParser(loader=LOADER)
    yield parser
    parser.close()


def one(parser: ChildParser, wanted: ParseRequest) -> Parsed | DocumentError:
    [(asked, outcome)] = parser.parse_all([wanted])
    assert asked is wanted
    return outcome


def test_a_document_comes_back_as_parsing_here_would_make_it(shared: ChildParser) -> None:
    outcome = one(shared, request(1))
    document = loaders.parse("1.md", GOOD)
    chunks = tuple(split(document))
    assert isinstance(outcome, Parsed)
    assert (outcome.document, outcome.chunks, outcome.words) == (document, chunks, chunk_words(document, chunks))
    assert outcome.seconds > 0


def test_what_the_source_says_of_title_and_language_goes_before_what_the_document_says(shared: ChildParser) -> None:
    outcome = one(shared, ParseRequest("a", "a.md", GOOD, title="Reisekosten", language="de"))
    assert isinstance(outcome, Parsed)
    assert (outcome.document.title, outcome.document.language) == ("Reisekosten", "de")
    assert outcome.words[0].title == "reisekosten"


def test_the_size_of_passages_is_the_parser_s() -> None:
    parser = ChildParser(passage=40)
    outcome = one(parser, request(1, b"One sentence of text. " * 20))
    parser.close()
    assert isinstance(outcome, Parsed)
    assert len(outcome.chunks) > 5


@pytest.mark.parametrize(
    ("name", "data", "kind"),
    [("a.xyz", b"x", UnknownFormat), ("a.md", b"", EmptyDocument), ("a.pdf", b"%PDF-", DocumentError)],
)
def test_what_a_loader_refuses_is_refused_in_its_words(
    shared: ChildParser, name: str, data: bytes, kind: type[DocumentError]
) -> None:
    outcome = one(shared, ParseRequest("item", name, data))
    with pytest.raises(DocumentError) as refused:
        loaders.parse(name, data)
    assert type(outcome) is kind
    assert str(outcome) == str(refused.value)


def test_results_come_in_order_from_several_workers() -> None:
    parser = ChildParser(workers=2, loader=LOADER)
    texts = [order("sleep 0.05") if number % 5 == 0 else b"text %d" % number for number in range(60)]
    requests = [request(number, text) for number, text in enumerate(texts)]
    results = list(parser.parse_all(requests))
    assert len(parser.pids) == 2
    parser.close()
    assert [asked for asked, _ in results] == requests
    for number, (_, outcome) in enumerate(results):
        assert isinstance(outcome, Parsed)
        assert outcome.document.text == ("None" if number % 5 == 0 else f"text {number}")


def test_requests_are_drawn_a_few_ahead_and_no_further(shared: ChildParser) -> None:
    drawn = 0

    def many() -> Iterator[ParseRequest]:
        nonlocal drawn
        for number in range(10_000):
            drawn = number + 1
            yield request(number)

    results = shared.parse_all(many())
    for _ in range(3):
        next(results)
    assert 3 < drawn <= 3 + AHEAD
    results.close()
    assert isinstance(one(shared, request(0)), Parsed)


def test_large_requests_are_not_gathered_in_memory(shared: ChildParser) -> None:
    drawn = 0

    def large() -> Iterator[ParseRequest]:
        nonlocal drawn
        for number in range(20):
            drawn = number + 1
            yield request(number, bytes(2**25), ".unknown")

    results = shared.parse_all(large())
    next(results)
    assert drawn <= 4
    results.close()


def test_a_fault_of_the_caller_s_requests_comes_after_the_results_before_it(shared: ChildParser) -> None:
    def failing() -> Iterator[ParseRequest]:
        yield request(1)
        yield request(2)
        raise OSError("the source is gone")

    seen: list[str] = []
    with pytest.raises(OSError, match="gone"):
        seen.extend(asked.item for asked, _ in shared.parse_all(failing()))
    assert seen == ["docs/1.md", "docs/2.md"]


def test_two_threads_may_parse_at_once(shared: ChildParser) -> None:
    texts: dict[int, list[str]] = {0: [], 1: []}

    def parse(who: int) -> None:
        for _, outcome in shared.parse_all(request(n, b"of thread %d" % who) for n in range(50)):
            assert isinstance(outcome, Parsed)
            texts[who].append(outcome.document.text)

    threads = [threading.Thread(target=parse, args=(who,)) for who in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert texts == {0: ["of thread 0"] * 50, 1: ["of thread 1"] * 50}


@pytest.mark.parametrize("loader", ["no.such.module:parse", "ingest.loaders:nothing"])
def test_a_child_that_cannot_start_is_no_fault_of_the_documents(loader: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.parsing_lane.PAUSE_S", 0.01)
    parser = ChildParser(loader=loader)
    for _ in range(2):  # and asking again is trying again
        with pytest.raises(IngestError, match=r"process that parses.*status 1.*look at the log") as fault:
            list(parser.parse_all(request(n) for n in range(5)))
        assert not isinstance(fault.value, DocumentError)
    parser.close()


def test_too_little_memory_to_start_is_no_fault_of_the_documents(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.parsing_lane.PAUSE_S", 0.01)
    parser = ChildParser(limits=ParseLimits(memory_bytes=2**20))
    with pytest.raises(IngestError, match="process that parses"):
        list(parser.parse_all([request(1)]))
    parser.close()


def test_closing_kills_the_children_and_tells_whoever_waits() -> None:
    parser = ChildParser(loader=LOADER)
    results = parser.parse_all([request(1), request(2, order("silence"))])
    next(results)
    closing = threading.Timer(0.2, parser.close)
    closing.start()
    with pytest.raises(IngestError, match="closed"):
        next(results)
    closing.join()
    parser.close()
    assert parser.pids == []
    with pytest.raises(IngestError, match="closed"):
        next(parser.parse_all([request(1)]))


def test_nothing_runs_before_the_first_request() -> None:
    before = threading.active_count()
    parser = ChildParser()
    assert list(parser.parse_all([])) == []
    assert (threading.active_count(), parser.pids) == (before, [])
    parser.close()


def test_half_characters_of_a_loader_become_replacement_signs_and_offsets_stay(shared: ChildParser) -> None:
    outcome = one(shared, request(1, order("surrogates")))
    assert isinstance(outcome, Parsed)
    assert outcome.document.text == "half \ufffd\ufffd done"


def test_more_text_than_may_be_handed_over_is_refused_and_the_child_goes_on() -> None:
    parser = ChildParser(limits=ParseLimits(output_bytes=100_000), loader=LOADER)
    results = [outcome for _, outcome in parser.parse_all([request(1, order("large 50000")), request(2)])]
    parser.close()
    assert isinstance(results[0], DocumentError)
    assert not isinstance(results[0], ParserStopped)
    assert "1.md: it holds more text" in str(results[0])
    assert isinstance(results[1], Parsed)


@pytest.mark.parametrize("wrong", [{"workers": 0}, {"passage": 0}])
def test_nonsense_is_refused_at_once(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        ChildParser(**wrong)  # type: ignore[arg-type]
