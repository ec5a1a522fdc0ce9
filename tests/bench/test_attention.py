"""Measurements with tiny lengths: what is measured, what is written, what fails softly."""

from __future__ import annotations

import pytest
import torch

from course.bench import Plan, extra_memory, interleave, measure, memory, subjects


def few(**options):
    return Plan(lengths=(32, 48), memory_lengths=(), subjects=("sdpa", "naive"), rounds=1, heads=2, **options)


def test_a_row_for_each_subject_length_kind_and_direction():
    report = measure(few())
    found = {(row["subject"], row["n"], row["causal"], row["direction"]) for row in report.times}
    assert len(found) == len(report.times) == 2 * 2 * 2 * 2
    assert all(row["seconds"] > 0 for row in report.times)
    assert report.ratio("sdpa", 32, True, "forward") == 1
    assert report.ratio("naive", 32, True, "backward") > 0
    assert report.ratio("naive", 33, True, "backward") is None
    assert len(report.first) == 2 * 2 * 2
    assert report.notes == []


def test_one_thread_is_asked_for_and_given_back():
    before = torch.get_num_threads()
    report = measure(Plan(lengths=(32,), memory_lengths=(), subjects=("naive",), rounds=1, threads=1))
    assert torch.get_num_threads() == before
    assert report.as_json()["machine"]["threads"] == 1


def test_what_cannot_run_here_is_noted():
    report = measure(Plan(lengths=(32,), memory_lengths=(), subjects=("triton",), rounds=1))
    assert {row["subject"] for row in report.times} == {"sdpa"}
    assert report.notes == ["triton: runs on cuda only, not on cpu"]


def test_a_peer_that_breaks_or_is_wrong_does_not_take_the_others_with_it(monkeypatch):
    def breaks(n, causal, device):
        raise RuntimeError("no such thing\nand more")

    def wrong(n, causal, device):
        return lambda q, k, v, causal: q + v

    monkeypatch.setitem(subjects.SUBJECTS, "naive", subjects.Subject(breaks))
    monkeypatch.setitem(subjects.SUBJECTS, "tiled", subjects.Subject(wrong))
    report = measure(Plan(lengths=(32,), memory_lengths=(), subjects=("naive", "tiled"), rounds=1))
    assert {row["subject"] for row in report.times} == {"sdpa"}
    assert report.notes == [
        "naive: RuntimeError: no such thing",
        "tiled: its output differs from that of sdpa at T = 32; not timed",
    ]


def test_what_is_too_large_for_the_computer_is_left_out(monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: 1.0)
    report = measure(Plan(lengths=(256,), memory_lengths=(1024,), subjects=("naive",), rounds=1))
    assert {row["subject"] for row in report.times} == {"sdpa"}
    assert report.memory == []
    assert report.notes[0] == "naive: 6 MiB of weights at T = 256 are too many for this computer"


def test_memory_is_weighed_at_the_lengths_that_are_timed():
    assert Plan(lengths=(128,)).memory_lengths == (128,)
    assert Plan(lengths=(128,), memory_lengths=(64,)).memory_lengths == (64,)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"subjects": ("nothing",)}, r"subjects must be among sdpa, .*but got 'nothing'\."),
        ({"dtype": "int8"}, r"dtype must be among float32, .*but got 'int8'\."),
        ({"device": "nowhere"}, r"there is no device 'nowhere' here \("),
        ({"lengths": (8, 0)}, r"lengths must be at least 1, but got 0\."),
        ({"memory_lengths": (-1,)}, r"memory_lengths must be at least 1, but got -1\."),
        ({"heads": 0}, r"heads must be at least 1"),
        ({"rounds": 0}, r"rounds must be at least 1"),
        ({"threads": 0}, r"threads must be at least 1"),
    ],
)
def test_a_plan_that_cannot_be_carried_out_is_refused(options, said):
    with pytest.raises(ValueError, match=f"^Plan: {said}"):
        Plan(**options)


@pytest.mark.slow
def test_memory_of_a_process_of_its_own():
    """The naive way holds at least one matrix of 1024² numbers, 4 MiB, and its gradients more."""
    forward = extra_memory("naive", 1024, causal=False, backward=False, width=16)
    assert 4 < forward < extra_memory("naive", 1024, causal=False, backward=True, width=16)
    with pytest.raises(RuntimeError, match="KeyError: 'nothing'"):
        extra_memory("nothing", 8, causal=False, backward=False)
    with pytest.raises(RuntimeError, match="no answer after 0 seconds"):
        extra_memory("naive", 8, causal=False, backward=False, timeout=0.01)


def test_everything_takes_turns():
    order = []
    took = interleave({name: lambda name=name: order.append(name) for name in "ab"}, rounds=2)
    assert order == list("ababab")
    assert set(took) == {"a", "b"}


def test_what_is_slow_takes_fewer_turns():
    now = iter(range(100))
    order = []
    took = interleave({"a": lambda: order.append("a")}, 50, clock=lambda: float(next(now)), limit=2.5)
    assert len(order) == 1 + 3
    assert took == {"a": 1.0}
