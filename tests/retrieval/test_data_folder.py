from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from retrieval import data_folder
from retrieval.data_folder import DataFolder
from retrieval.errors import DataFolderError, DataFolderHeld


def test_a_new_folder_is_private(tmp_path: Path) -> None:
    with DataFolder(tmp_path / "a" / "b", holder="test"):
        assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700


def test_a_second_process_is_told_who_holds_it(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from retrieval.data_folder import DataFolder\n"
        f"with DataFolder(Path({str(tmp_path)!r}), holder='kura serve'): print('held', flush=True); sys.stdin.read()"
    )
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(DataFolderHeld, match=rf"kura serve \(process {other.pid}\)"):
            DataFolder(tmp_path, holder="kura ask")
    with DataFolder(tmp_path, holder="kura ask"):
        pass


def test_it_waits_for_a_process_that_is_almost_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = DataFolder(tmp_path, holder="one")
    monkeypatch.setattr(data_folder.time, "sleep", lambda _: first.release())
    with DataFolder(tmp_path, holder="two"):
        assert (tmp_path / "lock").read_text().startswith("two (process ")


def test_a_file_in_its_place_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataFolderError, match="not a folder"):
        DataFolder(tmp_path / "file", holder="test")
