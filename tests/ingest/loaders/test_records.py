import pytest

from ingest.errors import DocumentError
from ingest.loaders.records import Row, write_rows
from ingest.loaders.writer import Writer


def written(table: str, **spans: dict[int, int]) -> list[str]:
    """The lines written of a table of one row for each line, its cells parted by `|`."""
    writer = Writer()
    rows = [Row([cell.strip() for cell in line.split("|")]) for line in table.strip("\n").split("\n")]
    for number, covered in spans.items():
        rows[int(number[1:])] = Row(rows[int(number[1:])].cells, covered)
    write_rows(writer, rows)
    return writer.finish()[0].split("\n\n")


def test_each_row_names_its_columns_and_leaves_out_empty_cells() -> None:
    assert written("City|Cap|Note\nOslo|180|\nBonn|150|with breakfast") == [
        "City: Oslo; Cap: 180",
        "City: Bonn; Cap: 150; Note: with breakfast",
    ]


def test_titles_and_notes_above_the_head_stand_alone() -> None:
    assert written("Travel caps\nOwner:|Finance||\n\nCity|2023|2024\nOslo|170|180") == [
        "Travel caps",
        "Owner: Finance",
        "City: Oslo; 2023: 170; 2024: 180",
    ]
    assert written("Travel caps 2024\nCity|Cap|Note\nOslo|180|")[1] == "City: Oslo; Cap: 180"


def test_without_a_head_the_values_stand_alone() -> None:
    assert written("Oslo|180\nBonn|150") == ["Oslo; 180", "Bonn; 150"]
    assert written("apples\npears") == ["apples", "pears"]


def test_a_second_table_has_its_own_head() -> None:
    assert written("City|Cap\nOslo|180\n\nPerson|Budget\nEve|2000")[1] == "Person: Eve; Budget: 2000"
    assert (
        written("City|Land\nOslo|Norway\n\nPerson|Team|Role\nEve|Ops|lead")[1] == "Person: Eve; Team: Ops; Role: lead"
    )


def test_a_blank_row_inside_a_table_does_not_end_it() -> None:
    assert written("City|Land\nOslo|Norway\n\nBonn|Germany\nRome|Italy")[1:] == [
        "City: Bonn; Land: Germany",
        "City: Rome; Land: Italy",
    ]


def test_a_head_said_again_is_left_out() -> None:
    assert written("City|Cap\nOslo|180\nCity|Cap\nBonn|150") == ["City: Oslo; Cap: 180", "City: Bonn; Cap: 150"]


def test_names_under_merged_cells_are_put_together() -> None:
    assert written("City|Cap||\nCity|Hotel|Food|Taxi\nOslo|180|60|20", _0={1: 3}) == [
        "City: Oslo; Cap Hotel: 180; Cap Food: 60; Cap Taxi: 20"
    ]


def test_rulers_are_no_rows() -> None:
    assert written("City|Cap\n---|---\nOslo|180\n=====|") == ["City: Oslo; Cap: 180"]


def test_a_wide_row_goes_on_in_lines_that_begin_with_its_first_cell() -> None:
    head = "|".join(["City", *(f"Field {i}" for i in range(30))])
    lines = written(head + "\n" + "|".join(["Oslo", *(f"{i} " + "word " * 10 for i in range(30))]))
    assert len(lines) > 2
    assert all(line.startswith("City: Oslo; Field ") and len(line) < 800 for line in lines)
    assert "; ".join(lines).count("Field ") == 30


def test_more_cells_than_allowed_are_refused_not_cut() -> None:
    with pytest.raises(DocumentError, match=r"more than .* cells: split"):
        write_rows(Writer(), (Row(["a", "b"]) for _ in range(6)), limit=10)
    with pytest.raises(DocumentError, match="cells"):
        write_rows(Writer(), (Row([]) for _ in range(11)), limit=10)
    assert write_rows(Writer(), [Row(["a", "b"])] * 5, limit=10) == 10
