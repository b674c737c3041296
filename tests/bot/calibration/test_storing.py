from __future__ import annotations

import asyncio
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bot.assistant import Assistant
from bot.calibration import storing
from bot.calibration.errors import CannotCalibrate
from bot.calibration.storing import FILE, Calibration, Enough, Pins, keep, pins_of, standing
from bot.evidence import ENOUGH
from retrieval import generations
from retrieval.database import reading, writing
from retrieval.generations import Generation
from retrieval.index import Index
from tests.bot.conftest import answer_of

HOTEL = "What is the hotel limit per night in Europe?"


def current(index: Index) -> Generation:
    with reading(index.engine) as connection:
        found = generations.current(connection)
    assert found is not None
    return found


def calibration(pins: Pins, **changes: Any) -> Calibration:
    values: dict[str, Any] = {
        "pins": pins,
        "made_at": "2030-01-02T03:04:05+00:00",
        "threshold": 0.6,
        "by_language": {"ja": 0.7},
        "wrong_costs": 1.0,
        "questions": {"en": 120, "ja": 110},
        "auc": 0.98,
        "before": 0.9,
        "after": 0.95,
    }
    return Calibration(**(values | changes))


def test_what_is_kept_is_read_again_and_is_for_this_user_alone(index: Index, tmp_path: Path) -> None:
    made = calibration(pins_of(current(index)))
    keep(tmp_path, calibration(made.pins, threshold=0.1))
    keep(tmp_path, made)
    assert standing(tmp_path, current(index)).calibration == made
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir() if file.name.startswith(FILE)] == [FILE]


def test_a_language_without_a_threshold_of_its_own_has_the_common_one(index: Index) -> None:
    made = calibration(pins_of(current(index)))
    assert made.enough("宿泊費の上限はいくらですか？") == 0.7
    assert made.enough(HOTEL) == 0.6
    assert made.enough("xyzzy") == 0.6


@pytest.mark.parametrize(
    ("pin", "said"),
    [
        ("evidence", "another scoring of evidence, so the default threshold is used: run `kura calibrate` again"),
        ("embedder", "another embedder,"),
        ("recipe", "another reading of documents,"),
    ],
)
def test_a_pin_that_differs_brings_the_default_back_and_is_told(
    index: Index, tmp_path: Path, pin: str, said: str
) -> None:
    keep(tmp_path, calibration(pins_of(current(index)).model_copy(update={pin: "other"})))
    found = standing(tmp_path, current(index))
    assert found.calibration is None
    assert said in found.detail
    assert not found.damaged
    assert Enough(tmp_path, index)(HOTEL) == ENOUGH


def test_without_a_calibration_the_default_counts(index: Index, tmp_path: Path) -> None:
    assert Enough(tmp_path, index)(HOTEL) == ENOUGH
    assert standing(tmp_path, current(index)).detail.startswith(f"the default threshold {ENOUGH:g};")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"threshold": 0}', "\0", "null", '{"pins": {}}', "9" * 5000], ids=lambda text: text[:9]
)
def test_a_damaged_file_counts_as_none_and_is_told(index: Index, tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text, encoding="utf-8")
    found = standing(tmp_path, current(index))
    assert (found.calibration, found.damaged) == (None, True)
    assert Enough(tmp_path, index)(HOTEL) == ENOUGH


@pytest.mark.parametrize("threshold", ["NaN", "-0.1", "1.5", '"x"'])
def test_a_threshold_that_is_no_share_is_damage(index: Index, tmp_path: Path, threshold: str) -> None:
    keep(tmp_path, calibration(pins_of(current(index))))
    text = (tmp_path / FILE).read_text(encoding="utf-8").replace("0.6", threshold)
    (tmp_path / FILE).write_text(text, encoding="utf-8")
    assert standing(tmp_path, current(index)).damaged


def test_a_file_that_is_not_text_is_damage(index: Index, tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"\xff\xfe\x00")
    assert standing(tmp_path, current(index)).damaged


def test_a_new_calibration_counts_from_the_next_question_on(index: Index, tmp_path: Path) -> None:
    enough = Enough(tmp_path, index)
    for threshold in (0.5, 0.25):
        keep(tmp_path, calibration(pins_of(current(index)), threshold=threshold))
        assert enough(HOTEL) == threshold
    (tmp_path / FILE).unlink()
    assert enough(HOTEL) == ENOUGH


def test_another_generation_ends_a_calibration_without_a_restart(index: Index, tmp_path: Path) -> None:
    enough = Enough(tmp_path, index)
    keep(tmp_path, calibration(pins_of(current(index))))
    assert enough(HOTEL) == 0.6
    with writing(index.engine) as connection:
        made = generations.add(connection, fingerprint=index.embedder.fingerprint, recipe="other", embedder="")
        generations.make_current(connection, made)
    assert enough(HOTEL) == ENOUGH


def test_a_place_that_cannot_be_written_is_told_and_leaves_the_former(index: Index, tmp_path: Path) -> None:
    with pytest.raises(CannotCalibrate, match="cannot be kept in"):
        keep(tmp_path / "nowhere", calibration(pins_of(current(index))))


def test_a_write_that_breaks_off_leaves_the_former(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    former = calibration(pins_of(current(index)))
    keep(tmp_path, former)

    def interrupted(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(storing.os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        keep(tmp_path, calibration(former.pins, threshold=0.1))
    monkeypatch.undo()  # the index is closed with it, too
    assert standing(tmp_path, current(index)).calibration == former
    assert [file.name for file in tmp_path.iterdir() if file.name.startswith(FILE)] == [FILE]


@pytest.mark.parametrize(("threshold", "style"), [(0.0, "quote"), (1.0, "refusal")])
def test_the_threshold_decides_whether_the_assistant_answers(
    make_assistant: Callable[..., Assistant], index: Index, tmp_path: Path, threshold: float, style: str
) -> None:
    keep(tmp_path, calibration(pins_of(current(index)), threshold=threshold))
    assistant = make_assistant(enough=Enough(tmp_path, index), owners={"docs": "#ask-travel"})
    answer = asyncio.run(answer_of(assistant, HOTEL))
    assert answer.style == style
    assert ("(ask #ask-travel)" in answer.text) == (style == "refusal")
