from __future__ import annotations

import pytest

from bot.cli.output import out, printable


def test_text_of_documents_is_printed_letter_by_letter(capsys: pytest.CaptureFixture[str]) -> None:
    text = "Mix it 1:100:3, press :key:, and read [bold]this[/bold]."
    out().print(text)
    assert capsys.readouterr().out == text + "\n"


def test_control_characters_go_and_every_kind_of_space_stays() -> None:
    assert printable("10\u00a0000\u202f¥　円\tok\n") == "10\u00a0000\u202f¥　円\tok\n"
    assert printable("\x1b[31mred\x07\u202e\ud800") == "[31mred"
