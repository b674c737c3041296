from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from models.engine import Request, Sampling
from models.errors import ModelConfigError
from models.requests import DEEPEST_GRAMMAR, check, check_deadline
from models.templates import Segment

GOOD = Request((Segment("x"),), "ann", 10, 5.0)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"temperature": 0.7, "top_k": 0, "top_p": 1.0, "min_p": 0.0},
        {"temperature": 1, "seed": -1, "logprobs": 5},
        {"grammar": 'root ::= ("a" | "b")*'},
        {"json_schema": '{"type": "object"}'},
    ],
)
def test_what_can_be_passes(values: dict[str, Any]) -> None:
    check(replace(GOOD, sampling=Sampling(**values)))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", "warm"),
        ("temperature", math.nan),
        ("temperature", math.inf),
        ("temperature", -0.1),
        ("temperature", 1e-39),
        ("temperature", True),
        ("top_k", 1.5),
        ("top_k", -1),
        ("top_p", 1.1),
        ("min_p", math.nan),
        ("repeat_penalty", 0.0),
        ("frequency_penalty", math.inf),
        ("penalty_window", -1),
        ("seed", 1.5),
        ("logprobs", 10_000),
        ("grammar", "a" * 300_000),
        ("grammar", 'root ::= "\ud800"'),
        ("grammar", 'root ::= "a\0"'),
        ("grammar", "root ::= " + "(" * (DEEPEST_GRAMMAR + 1)),
        ("json_schema", '{"items": ' * 300),
        ("json_schema", None),
    ],
)
def test_sampling_that_cannot_be_is_named(name: str, value: Any) -> None:
    with pytest.raises(ModelConfigError, match=name):
        check(replace(GOOD, sampling=Sampling(**{name: value})))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_tokens", 0),
        ("max_tokens", 1.5),
        ("deadline_s", math.inf),
        ("deadline_s", "soon"),
        ("priority", "urgent"),
        ("principal_key", None),
        ("adapter", None),
        ("stop", (1,)),
    ],
)
def test_a_request_that_cannot_be_is_named(name: str, value: Any) -> None:
    with pytest.raises(ModelConfigError, match=name):
        check(replace(GOOD, **{name: value}))


def test_grammar_and_schema_exclude_each_other() -> None:
    with pytest.raises(ModelConfigError, match="not both"):
        check(replace(GOOD, sampling=Sampling(grammar='root ::= "a"', json_schema="{}")))


def test_a_deadline_that_is_over_is_one() -> None:
    check_deadline(-1.0)
