from __future__ import annotations

import csv
import io

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.discord_bot.escaping import INVISIBLE
from bot.discord_bot.tables import find_tables, width

HOTELS = "| 都市 | Limit |\n|:--|--:|\n| 東京 | 180 |\n| Paris | 1,200 |"
CELLS = st.sampled_from(["", "a", "東京", "1,200", "x | y", "`code`", "👍", "ｶﾞ", "-5", "=A1+1", "long words of a cell"])
TABLES = st.integers(1, 5).flatmap(lambda n: st.lists(st.lists(CELLS, min_size=n, max_size=n), min_size=1, max_size=9))


def markdown(rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    lines.insert(1, "|" + "---|" * len(rows[0]))
    return "\n".join(lines)


def test_columns_stand_under_each_other_though_japanese_is_wide() -> None:
    [table] = find_tables(f"Before\n{HOTELS}\nafter")
    assert table.block() == "```\n都市  | Limit\n------+------\n東京  |   180\nParis | 1,200\n```"


def test_it_is_cut_out_exactly() -> None:
    text = f"Before | this\n\n{HOTELS}\n\nafter"
    [table] = find_tables(text)
    assert text[table.start : table.end] == HOTELS


def test_marks_behind_rows_are_kept_for_below() -> None:
    [table] = find_tables("| a | b |\n|---|---|\n| 1 | 2 | [1]\n| 3 | 4 | [1][2]")
    assert table.marks == "[1][2]"
    assert table.rows == (("a", "b"), ("1", "2"), ("3", "4"))


def test_what_is_no_table_stays_text() -> None:
    assert not [*find_tables("a | b\nno rule | here\n| - |\n")]
    assert not [*find_tables("| a | b |\n|---|\n| 1 | 2 |")]
    assert not [*find_tables(f"```\n{HOTELS}\n```")]
    assert not [*find_tables("")]


def test_two_tables_are_two() -> None:
    assert len([*find_tables(f"{HOTELS}\n\n{HOTELS}")]) == 2


def test_rows_of_other_lengths_are_made_even() -> None:
    [table] = find_tables("a | b\n--|--\n1 |\n1 | 2 | 3")
    assert table.rows == (("a", "b"), ("1", ""), ("1", "2"))


def test_a_cell_cannot_end_the_block_or_call_anybody() -> None:
    [table] = find_tables("| a |\n|---|\n| ``` @everyone |")
    assert table.block().count("```") == 2
    assert f"@{INVISIBLE}everyone" in table.block()


def test_a_spreadsheet_runs_no_formula() -> None:
    [table] = find_tables("| a | b |\n|---|---|\n| =HYPERLINK(1) | -5.2 |\n| @SUM(1) | -x |")
    assert table.csv() == "\ufeffa,b\r\n'=HYPERLINK(1),-5.2\r\n'@SUM(1),'-x\r\n"


@settings(deadline=None)
@given(TABLES)
def test_every_row_is_as_wide_and_nothing_is_lost(rows: list[list[str]]) -> None:
    [table] = find_tables(markdown(rows))
    assert [list(row) for row in table.rows] == rows
    lines = table.block().splitlines()[1:-1]
    assert len(lines) == len(rows) + 1
    assert all(width(line) <= table.columns for line in lines)
    assert width(lines[1]) == table.columns
    read = list(csv.reader(io.StringIO(table.csv().removeprefix("\ufeff"), newline="")))
    assert [[cell.removeprefix("'") for cell in row] for row in read] == rows


def test_width_counts_columns() -> None:
    assert [width(one) for one in ("abc", "東京", "e\u0301", "👍", "ｶﾞ", "が")] == [3, 4, 1, 2, 2, 2]
