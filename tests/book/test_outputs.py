"""What the stored outputs say, by reading: a rounding error stands on no page as digits."""

from __future__ import annotations

import re
from pathlib import Path

import notebooks
import pytest

# A limit follows a word such as "below"; "equal to 1e-12" is one as well, and so is a setting such as eps.
LIMIT = re.compile(r"(\b(above|below|eps|less than|to|under|within)|<) *$")
TINY = re.compile(r"\d(?:\.\d+)?e-(?:09|[1-9]\d+)\b")


def rounding_errors(text: str) -> list[str]:
    """Numbers of 1e-9 and less that are not the limit of anything."""
    return [found[0] for found in TINY.finditer(text) if not LIMIT.search(text[: found.start()])]


def test_it_tells_digits_from_limits() -> None:
    assert rounding_errors("off by 3e-16, relative: 1.5e-09") == ["3e-16", "1.5e-09"]
    assert not rounding_errors("below 1e-14, equal to 1e-12, <1e-08, eps 1e-12, 2e-05, 1e+12")


@pytest.mark.parametrize("path", notebooks.find(), ids=notebooks.label)
def test_no_output_shows_the_digits_of_a_rounding_error(path: Path) -> None:
    for cell in notebooks.read(path).cells:
        for output in cell.get("outputs", []):
            texts = [output.get("text", ""), output.get("data", {}).get("text/plain", "")]
            assert not rounding_errors("\n".join(texts)), f"cell {cell.id}"


@pytest.mark.parametrize("path", notebooks.find(), ids=notebooks.label)
def test_what_is_measured_is_not_said_to_be_compared(path: Path) -> None:
    for cell in notebooks.read(path).cells:
        if cell.metadata.get("course", {}).get("measured"):
            assert "nbval-check-output" not in cell.metadata.get("tags", []), f"cell {cell.id}"
