"""The drawings of measurements."""

from __future__ import annotations

import pytest

from course.viz.benchmark import benchmark

TIMES = [
    {"subject": s, "n": n, "causal": c, "direction": d, "seconds": 1.0, "ratio": r}
    for s, r in (("sdpa", 1.0), ("cpu", 0.8))
    for n in (512, 1024)
    for c in (False, True)
    for d in ("forward", "backward")
]
MEMORY = [{"subject": "cpu", "n": n, "direction": "backward", "mib": n / 512} for n in (512, 1024)]


def test_a_panel_for_each_kind_of_number():
    figure = benchmark({"times": TIMES, "memory": MEMORY})
    forward, backward, memory = figure.axes
    assert [ax.get_title(loc="left") for ax in (forward, backward)] == ["forward", "backward"]
    assert forward.lines[1].get_ydata().tolist() == [0.8, 0.8]
    assert memory.lines[1].get_ydata().tolist() == [1, 2]
    assert memory.lines[1].get_color() == forward.lines[1].get_color()
    assert [text.get_text() for text in memory.get_xticklabels()] == ["512", "1024"]


def test_what_was_not_measured_is_a_gap():
    figure = benchmark({"times": TIMES[:-2], "memory": []}, ["forward"])
    assert str(figure.axes[0].lines[1].get_ydata()[1]) == "nan"


def test_nothing_to_draw_is_refused():
    with pytest.raises(ValueError, match="panels must be among forward, backward, memory"):
        benchmark({"times": TIMES, "memory": MEMORY}, ["speed"])
    with pytest.raises(ValueError, match="holds nothing to draw"):
        benchmark({"times": TIMES, "memory": []}, ["memory"])
