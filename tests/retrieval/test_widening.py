from __future__ import annotations

from dataclasses import replace

from retrieval.documents import Around, Chunk, Hit
from retrieval.widening import MOST, SECTION, narrowed, wanted, widen

STEPS = [f"{number}. Turn the {word} key." for number, word in enumerate("first second third fourth".split(), 1)]
PROCEDURE = "To open the vault, do this:\n\n" + "\n".join(STEPS)
FILLER = "The vault stands in the cellar of the old building. " * 40 + "\n\n"


class Text:
    """A document cut where a test says; `around` has everything, as far as chunks reach."""

    def __init__(self, *pieces: str, heading: tuple[str, ...] = ("Vault",)) -> None:
        self.text = "".join(pieces)
        self.chunks: list[Chunk] = []
        at = 0
        for piece in pieces:
            line = self.text.count("\n", 0, at) + 1
            self.chunks.append(Chunk(at, at + len(piece.rstrip()), heading, line, page=len(self.chunks) + 1))
            at += len(piece)

    def hit(self, number: int, *, document: str = "d", score: float = 1.0) -> Hit:
        chunk = self.chunks[number]
        text = self.text[chunk.start : chunk.end]
        return Hit(
            *(document, f"{document}{number}", "Vault", chunk.heading, "/d", "en", chunk.line, chunk.page),
            *(chunk.start, chunk.end, text, score, 1.0, None),
        )

    def widen(self, *hits: Hit, k: int = 10) -> tuple[Hit, ...]:
        around = Around(0, self.text, tuple(self.chunks))
        wide = widen(hits, {hit.chunk_id: around for hit in hits}, k)
        for one in wide:
            assert one.text == self.text[one.start : one.end]
            assert one.line == self.text.count("\n", 0, one.start) + 1
        return wide


def cut_procedure() -> Text:
    return Text(
        FILLER, "To open the vault, do this:\n\n" + "\n".join(STEPS[:2]) + "\n", "\n".join(STEPS[2:]) + "\n\n", FILLER
    )


def test_a_hit_that_begins_inside_a_procedure_gets_the_whole_of_it_with_its_lead() -> None:
    (wide,) = cut_procedure().widen(hit := cut_procedure().hit(2))
    assert wide.text == PROCEDURE
    assert (wide.chunk_id, wide.score, wide.core) == (hit.chunk_id, hit.score, (hit.start, hit.end))
    assert wide.page == 2


def test_a_hit_that_ends_inside_a_procedure_gets_the_rest() -> None:
    document = cut_procedure()
    assert document.widen(document.hit(1))[0].text == PROCEDURE


def test_a_hit_that_leads_in_gets_what_it_leads_to() -> None:
    document = Text(FILLER, "Bring with you:\n\n", "- a badge\n- a pen\n\n", FILLER)
    assert document.widen(document.hit(1))[0].text == "Bring with you:\n\n- a badge\n- a pen"


def test_the_pieces_of_a_table_become_one_hit_where_the_best_stood() -> None:
    rows = [f"| desk {number} | {number} kg |" for number in range(40)]
    document = Text(
        FILLER, "| what | weight |\n|---|---|\n" + "\n".join(rows[:20]) + "\n", "\n".join(rows[20:]) + "\n\n", FILLER
    )
    other = document.hit(0, document="e")
    first, second = document.widen(replace(document.hit(2), score=3.0), other, document.hit(1))
    assert first.text == "| what | weight |\n|---|---|\n" + "\n".join(rows)
    assert (first.score, first.chunk_id) == (3.0, "d2")
    assert second == other


def test_the_copies_of_both_are_kept_when_two_hits_become_one() -> None:
    document = cut_procedure()
    copies = [document.hit(1, document=name) for name in "xyz"]
    first = replace(document.hit(1), also=(copies[0], copies[1]))
    second = replace(document.hit(2), also=(copies[1], copies[2]))
    (wide,) = document.widen(first, second)
    assert [copy.document_id for copy in wide.also] == ["x", "y", "z"]


def test_a_list_that_is_too_long_is_left_as_it_was_found() -> None:
    items = [f"- item {number} of a list that goes on and on" for number in range(MOST // 40)]
    document = Text("\n".join(items[:60]) + "\n", "\n".join(items[60:]))
    assert document.widen(document.hit(0), document.hit(1)) == (document.hit(0), document.hit(1))


def test_wide_characters_count_twice() -> None:
    items = [f"- 第{number}条のとおりに申請してください。" for number in range(MOST // 25)]
    document = Text("\n".join(items[:60]) + "\n", "\n".join(items[60:]))
    assert len(document.text) < MOST
    assert document.widen(document.hit(0))[0] == document.hit(0)


def test_nothing_goes_over_a_heading() -> None:
    document = Text("- one\n- two\n", "- three\n- four")
    document.chunks[1] = replace(document.chunks[1], heading=("Cellar",))
    assert document.widen(document.hit(0))[0] == document.hit(0)


def test_prose_is_never_widened() -> None:
    document = Text(FILLER, FILLER, FILLER)
    hits = tuple(document.hit(number) for number in range(3))
    assert wanted(hits) == []
    assert document.widen(*hits) == hits


SHORT = [
    words * 10 + "\n\n"
    for words in ("The vault is down there. ", "It has two steel doors. ", "A guard is there by night. ")
]


def test_several_chunks_of_a_short_section_become_the_section() -> None:
    document = Text(*SHORT)
    hits = document.hit(2), document.hit(0)
    assert wanted(hits) == ["d2", "d0"]
    (wide,) = document.widen(*hits)
    assert wide.text == document.text.strip()
    assert len(wide.text) <= SECTION


def test_one_chunk_of_a_section_stays_alone_and_so_do_two_that_nobody_gets_to_see_together() -> None:
    document = Text(*SHORT)
    assert document.widen(document.hit(1)) == (document.hit(1),)
    assert document.widen(document.hit(1), document.hit(0), k=1) == (document.hit(1),)


def test_a_chunk_that_says_hardly_anything_gets_what_stands_below_it() -> None:
    document = Text("See below.\n\n", *SHORT[:2])
    document.chunks[1] = replace(document.chunks[1], heading=("Vault", "Place"))
    document.chunks[2] = replace(document.chunks[2], heading=("Canteen",))
    assert wanted([document.hit(0)]) == ["d0"]
    assert document.widen(document.hit(0))[0].text == f"See below.\n\n{SHORT[0].strip()}"


def test_a_hit_without_known_surroundings_stays_as_it_is() -> None:
    document = cut_procedure()
    assert widen([document.hit(1)], {}, 5) == (document.hit(1),)


def test_a_widened_hit_can_be_had_as_it_was_found() -> None:
    document = cut_procedure()
    hits = document.hit(2), document.hit(0)
    assert [narrowed(wide) for wide in document.widen(*hits)] == [replace(hits[0], page=2), hits[1]]
