from __future__ import annotations

from pathlib import Path

import pytest

from bot.evaluation.runs import RunStore
from bot.ingesting import IngestRequest
from bot.settings import load
from bot.upkeep import CalibrationOrder, EvaluationOrder, UpkeepRequest
from bot.wiring import open_kura
from bot.wiring.sources import uploads
from bot.wiring.upkeep import make_upkeep
from ingest.errors import SourceError
from ingest.reports import Progress
from tests.bot.calibration.conftest import write_company


def test_a_source_that_was_removed_and_is_still_configured_takes_uploads_again() -> None:
    Path("kura.toml").write_text('[[sources]]\nname = "letters"\nkind = "upload"\n')
    settings = load()
    with open_kura(settings, holder="a test") as kura:
        kept = uploads(settings, "letters")
        assert kept is not None
        kept.put("a.md", b"# A\n\nA letter.\n")
        assert kura.ingesting.run(IngestRequest(), lambda _: None).whole
        upkeep = make_upkeep(kura, shared=True)
        removal = UpkeepRequest("remove", ("letters",))
        assert upkeep.run(removal, lambda _: None).said[0].startswith("Removed letters: 1 document")
        assert kept.names() == []
        assert kept.put("b.md", b"# B\n\nAnother.\n") == "b.md"
        with pytest.raises(SourceError, match="There is no source letters"):
            upkeep.run(removal, lambda _: None)
        assert kept.names() == ["b.md"]


def test_a_server_calibrates_and_evaluates_in_its_jobs(tmp_path: Path) -> None:
    write_company(tmp_path / "company", 12)
    suite = tmp_path / "desk.jsonl"
    suite.write_text('{"question": "Is there a submarine?", "must_refuse": true}\n')
    told: list[Progress] = []
    with open_kura(load(), holder="a test", alone=False) as kura:
        kura.ingesting.run(IngestRequest(paths=(tmp_path / "company",)), lambda _: None)
        upkeep = make_upkeep(kura, shared=True)
        order = CalibrationOrder(50, 1.0, show=2)
        fitted = upkeep.run(UpkeepRequest("calibrate", calibration=order), told.append)
        evaluated = upkeep.run(UpkeepRequest("evaluate", evaluation=EvaluationOrder(str(suite), "mori")), told.append)
        kept = RunStore(kura.settings.data_dir).get(evaluated.figures["run"])
    assert fitted.said[-1].startswith("Kept")
    assert len(fitted.figures["shown"]) == 2
    assert (tmp_path / "data" / "calibration.json").is_file()
    assert (kept.asked_as, kept.suite.name) == ("local:mori (all)", "desk")
    assert {(one.source, one.item) for one in told} == {
        ("calibration", ""),
        ("desk", ""),
    }  # no question in a job's progress
