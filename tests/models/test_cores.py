from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from models.cores import available_cores, take

ROOT = Path(__file__).parents[2]


@contextmanager
def another_process(folder: Path, threads: int, cores: int) -> Iterator[int]:
    """A process that holds cores until the block ends; gives its number."""
    program = (
        "import sys\nfrom pathlib import Path\nfrom models.cores import take\n"
        f"held = take({threads}, folder=Path({str(folder)!r}), cores={cores})\n"
        "print('ready', flush=True)\nsys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "ready\n"
        yield process.pid
        process.stdin.close()


def test_a_process_alone_gets_what_it_asks_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for wanted, threads in ((0, 4), (3, 3), (9, 9)):
        cores = take(wanted, folder=tmp_path, cores=4)
        assert cores.threads == threads
        cores.close()

    assert not caplog.records


def test_a_second_process_runs_on_what_the_first_leaves_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with another_process(tmp_path, 3, 4) as other:
        with caplog.at_level(logging.WARNING):
            cores = take(0, folder=tmp_path, cores=4)
        assert cores.threads == 1
        assert f"Process {other} runs a model on 3 of the 4 cores" in caplog.text
        cores.close()


def test_a_process_that_finds_no_core_runs_one_thread(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with another_process(tmp_path, 0, 2):
        cores = take(0, folder=tmp_path, cores=2)
        assert cores.threads == 1
        assert "model.threads" in caplog.text


def test_two_processes_that_fit_side_by_side_are_not_warned(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with another_process(tmp_path, 2, 4):
        cores = take(2, folder=tmp_path, cores=4)
        assert cores.threads == 2
        assert not caplog.records
        cores.close()


def test_cores_are_free_again_when_they_are_given_back_or_their_process_ends(tmp_path: Path) -> None:
    with another_process(tmp_path, 0, 2):
        pass
    first = take(0, folder=tmp_path, cores=2)
    assert first.threads == 2
    first.close()
    with another_process(tmp_path, 0, 2):
        assert take(0, folder=tmp_path, cores=2).threads == 1


def test_engines_of_one_process_share_their_cores(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first, second = (take(0, folder=tmp_path, cores=2) for _ in range(2))

    assert (first.threads, second.threads) == (2, 2)
    assert not caplog.records
    first.close()
    second.close()


def test_a_folder_that_others_may_write_is_not_trusted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tmp_path.chmod(0o777)
    assert take(0, folder=tmp_path, cores=2).threads == 2
    assert "without a lock" in caplog.text
    link = tmp_path / "link"
    link.symlink_to(tmp_path, target_is_directory=True)
    assert take(0, folder=link, cores=2).threads == 2


def test_a_container_s_share_of_the_cores_counts(tmp_path: Path) -> None:
    quota = tmp_path / "cpu.max"
    everything = available_cores(tmp_path / "none")
    for text, cores in (
        ("max 100000", everything),
        ("50000 100000", 1),
        ("900000000 100000", everything),
        ("?", everything),
    ):
        quota.write_text(text)
        assert available_cores(quota) == cores
    assert everything >= 1
