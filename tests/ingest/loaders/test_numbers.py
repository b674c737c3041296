import pytest

from ingest.loaders.numbers import displayed


@pytest.mark.parametrize(
    ("value", "number_format", "shown"),
    [
        (0.1 + 0.2, "General", "0.3"),
        (3.0, "General", "3"),
        (1 / 3, "0.00", "0.33"),
        (0.125, "0.00", "0.13"),  # as Excel rounds, not as Python does
        (-3.5, "0.0;[Red]-0.0", "-3.5"),
        (-0.001, "0.00", "0.00"),
        (0.155, "0.0%", "15.5%"),
        (1234567.4, "#,##0", "1,234,567"),
        (180, "#,##0.00 [$€-407]", "180.00 €"),
        (1200, '"¥"#,##0', "¥1,200"),
        (1200, '[Blue]#,##0"円"', "1,200円"),
        (42, "0000", "0042"),
        (1e-9, "General", "0.000000001"),
    ],
)
def test_numbers_are_shown_as_in_the_sheet(value: float, number_format: str, shown: str) -> None:
    assert displayed(value, number_format) == shown


@pytest.mark.parametrize(
    "number_format", ['#,##0,"千円"', "# ?/?", "[<=999]000;000-0000", "000-0000", "0.00E+00", "@", ""]
)
def test_of_a_format_not_followed_no_unit_is_shown_that_would_be_wrong(number_format: str) -> None:
    assert displayed(1234567, number_format) == "1234567"


@pytest.mark.parametrize("value", [1e300, -1e300, 1e15, 10**400])
def test_huge_numbers_are_no_fault(value: float) -> None:
    assert displayed(value, "#,##0.00").startswith(("1E+", "-1E+"))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_no_number_is_shown_as_nothing(value: float) -> None:
    assert not displayed(value, "0")
