import pytest
import torch

from course.kernels.traffic import TwoMemories


def test_both_directions_are_counted_and_dropping_is_free():
    memory = TwoMemories(20, x=torch.arange(12.0).reshape(4, 3), y=torch.zeros(4, 3))
    part = memory.load("x", slice(1, 3))
    assert part.tolist() == [[3, 4, 5], [6, 7, 8]]
    memory.keep("y", 2 * part)
    assert memory.largest == 12
    memory.store("y", slice(0, 2))
    memory.drop("x")
    assert (memory.loaded, memory.stored, memory.moved) == (6, 6, 12)
    assert memory.slow["y"].tolist() == [[6, 8, 10], [12, 14, 16], [0, 0, 0], [0, 0, 0]]
    assert memory.fast == {}


def test_what_is_loaded_is_a_copy():
    memory = TwoMemories(20, x=torch.zeros(3))
    memory.load("x").add_(1)
    assert memory.slow["x"].tolist() == [0, 0, 0]


def test_a_result_takes_the_place_of_what_had_its_name():
    memory = TwoMemories(4, x=torch.zeros(4))
    memory.load("x")
    memory.keep("x", torch.ones(3))
    assert memory.largest == 4


def test_a_full_memory_refuses():
    memory = TwoMemories(5, x=torch.zeros(4))
    memory.load("x")
    with pytest.raises(MemoryError, match=r"holds 5 numbers, but 6 are needed: x \(4,\), y \(2,\)"):
        memory.keep("y", torch.zeros(2))


def test_refuses_a_capacity_that_is_none():
    with pytest.raises(ValueError, match="capacity must be a positive integer"):
        TwoMemories(0)
