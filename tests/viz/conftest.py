"""Figures of the tests: the book's style, no window, closed afterwards."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest
import torch
from explored import weights_of_four_heads
from matplotlib.axes import Axes

from course.viz import setup
from course.viz.style import METADATA


@pytest.fixture(autouse=True)
def style() -> Iterator[None]:
    with mpl.rc_context():
        plt.switch_backend("agg")
        setup()
        yield
        plt.close("all")


@pytest.fixture
def svg() -> Callable[[Axes], str]:
    """Turns the figure of some axes into the SVG that a notebook stores."""

    def draw(ax: Axes) -> str:
        file = io.BytesIO()
        ax.get_figure().savefig(file, format="svg", metadata=METADATA)
        return file.getvalue().decode()

    return draw


@pytest.fixture
def weights() -> torch.Tensor:
    """Weights for an explorer to show."""
    return weights_of_four_heads()
