from __future__ import annotations

from pathlib import Path

import pytest

from bot.ingesting import IngestRequest
from bot.settings import load
from bot.upkeep import UpkeepRequest
from bot.wiring import open_kura
from bot.wiring.sources import uploads
from bot.wiring.upkeep import make_upkeep
from ingest.errors import SourceError


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
