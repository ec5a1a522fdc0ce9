"""What pytest needs to know of the notebooks, wherever it is started."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import pytest
from nbformat import NotebookNode

sys.path.insert(0, str(Path(__file__).parent / "tools"))

from agreement import Agreement, settle


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: needs the built book, a browser or a kernel")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        cell = getattr(item, "cell", None)
        if isinstance(cell, NotebookNode):
            item.add_marker("slow")
            # nbval refuses outputs of a cell without an execution count, and notebooks are stored without.
            cell.execution_count = 1
            # nbval compares text; here numbers are compared as numbers.
            item.compare_outputs = partial(compare_outputs, item)


def compare_outputs(item: pytest.Item, came: list[NotebookNode], stored: list[NotebookNode]) -> bool:
    """Whether the outputs of a cell are the stored ones; if not, nbval notes how they differ."""
    agreement = Agreement.of(item.cell, item.parent.nb)
    return type(item).compare_outputs(item, settle(came, stored, agreement, item.sanitize), stored)
