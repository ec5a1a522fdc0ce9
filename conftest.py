"""What pytest needs to know of the notebooks, wherever it is started."""

from __future__ import annotations

import pytest
from nbformat import NotebookNode


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: needs the built book, a browser or a kernel")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        cell = getattr(item, "cell", None)
        if isinstance(cell, NotebookNode):
            item.add_marker("slow")
            # nbval refuses outputs of a cell without an execution count, and notebooks are stored without.
            cell.execution_count = 1
