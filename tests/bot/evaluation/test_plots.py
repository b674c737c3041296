from __future__ import annotations

import re

import pytest
from selectolax.lexbor import LexborHTMLParser as HTMLParser

from bot.evaluation import plots
from bot.evaluation.intervals import Interval


def bars(svg: str, kind: str) -> list[dict[str, float]]:
    found = HTMLParser(svg).css(f"rect.{kind}")
    return [{key: float(value) for key, value in one.attributes.items() if key != "class" and value} for one in found]


def test_a_share_is_as_long_as_it_is_large() -> None:
    (half,), (whole,) = (bars(plots.share(Interval(mean, None, None, 1)), "bar") for mean in (0.5, 1.0))
    assert half["width"] * 2 == whole["width"]


def test_an_interval_has_a_line_with_two_ends_and_one_case_has_none() -> None:
    assert plots.share(Interval(0.5, 0.25, 0.75, 9)).count("<line") == 3
    assert "<line" not in plots.share(Interval(0.5, None, None, 1))


@pytest.mark.parametrize(("mean", "sure", "kind"), [(0.2, True, "up"), (-0.2, True, "down"), (-0.2, False, "unsure")])
def test_a_change_has_its_side_and_its_colour_only_where_it_is_sure(mean: float, sure: bool, kind: str) -> None:
    (bar,) = bars(plots.change(Interval(mean, mean - 0.1, mean + 0.1, 9), 0.4, sure=sure), kind)
    assert (bar["x"] >= plots._WIDTH / 2) is (mean > 0)
    assert bar["width"] == pytest.approx((plots._WIDTH / 2 - 2) / 2, abs=0.1)


@pytest.mark.parametrize("values", [[5.0], [0.0, 0.0], [float(n) for n in range(200)], [1.0] * 199 + [1e9]])
def test_a_distribution_shows_every_value_within_its_frame(values: list[float]) -> None:
    svg = plots.distribution(values)
    found = bars(svg, "bar")
    assert found
    assert all(bar["x"] >= 0 and bar["x"] + bar["width"] <= plots._WIDE and bar["height"] > 0 for bar in found)
    assert not re.search(r"nan|inf", svg)


def test_one_outlier_hides_nothing() -> None:
    assert len(bars(plots.distribution([float(n) for n in range(1, 200)] + [1e9]), "bar")) == plots._BINS


def test_no_values_no_plot() -> None:
    assert plots.distribution([]) == ""


def test_a_quantile_is_a_value_that_was_measured() -> None:
    assert [plots.quantile([1, 2, 3, 4], level) for level in (0.0, 0.5, 0.75, 0.76, 1.0)] == [1, 2, 3, 4, 4]
