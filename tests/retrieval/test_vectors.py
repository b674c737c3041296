from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from retrieval.vectors import as_vectors, from_bytes, same, stacked, to_bytes


def test_rows_get_unit_length_and_nothing_stays_nothing() -> None:
    made = as_vectors([[3.0, 4.0], [0.0, 0.0]])
    assert made.dtype == np.float32
    assert made.tolist() == [pytest.approx([0.6, 0.8]), [0.0, 0.0]]


def test_a_vector_comes_back_as_it_was_kept() -> None:
    vector = as_vectors([[1.0, 2.0, -3.0]])[0]
    assert to_bytes(np.array([1.0], np.float32)) == b"\0\0\x80\x3f"
    assert from_bytes(to_bytes(vector)).tolist() == vector.tolist()
    assert stacked([vector, vector]).shape == (2, 3)


def test_what_differs_in_a_number_or_in_length_is_not_the_same() -> None:
    vector = as_vectors([[1.0, 0.0]])[0]
    assert same(vector, vector + np.float32(1e-7), 1e-6)
    assert not same(vector, vector + np.float32(1e-3), 1e-6)
    assert not same(vector, as_vectors([[1.0, 0.0, 0.0]])[0], 1e-6)


def test_a_sync_of_nothing_new_loads_no_numpy() -> None:
    program = "import sys, retrieval.index, ingest.folders, models.embedders; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
