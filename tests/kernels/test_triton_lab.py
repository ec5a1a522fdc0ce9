"""The IO lab: what it counts equals what the formulas say, and it finds what a GPU hides."""

import pytest
import torch
from combinations import meeting

pytest.importorskip("triton", reason="Triton is published for Linux only")

import triton
import triton.language as tl

from course.kernels.triton.attend import attend
from course.kernels.triton.lab import Lab
from course.kernels.triton.naive import naive
from course.kernels.triton.traffic import Sizes, backward_bytes, forward_bytes, naive_bytes
from course.kernels.triton.vector_add import add

TILES = [(16, 16), (16, 32), (32, 16), (64, 32)]


def inputs(s, dtype=torch.float32):
    sizes = (s.n_query, s.d_k), (s.n_key, s.d_k), (s.n_key, s.d_v)
    return [torch.randn(size, dtype=dtype) for size in sizes]


@pytest.mark.parametrize("tile", TILES)
@pytest.mark.parametrize("sizes", [(64, 64, 16, 16), (33, 65, 24, 10)])
def test_naive_moves_what_the_formula_says(sizes, tile):
    s = Sizes(*sizes, tile)
    with Lab() as lab:
        naive(*inputs(s), tile)
    assert (lab.loaded, lab.stored) == naive_bytes(s)
    assert (lab.outside, lab.raced) == (0, 0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tile", "causal", "sizes"),
    meeting(TILES, (False, True), ((64, 64, 16, 16), (33, 65, 24, 10), (50, 20, 8, 8))),
)
def test_flash_moves_what_the_formulas_say(tile, causal, sizes):
    s = Sizes(*sizes, tile, causal)
    leaves = [x.requires_grad_() for x in inputs(s)]
    with Lab() as forward:
        out = attend(*leaves, mask=None, bias=None, causal=causal, scale=1.0, tile=tile)
    with Lab() as backward:
        out.sum().backward()
    assert (forward.loaded, forward.stored) == forward_bytes(s)
    assert (backward.loaded, backward.stored) == backward_bytes(s)
    assert (forward.outside, forward.raced, backward.outside, backward.raced) == (0, 0, 0, 0)


def test_products_of_tiles_are_counted():
    """Two products forwards, four for keys and values, three for queries; a width of 24 is computed as 32."""
    s = Sizes(32, 64, 24, 24, (16, 32))
    leaves = [x.requires_grad_() for x in inputs(s)]
    with Lab() as lab:
        attend(*leaves, mask=None, bias=None, causal=False, scale=1.0, tile=s.tile).sum().backward()
    by_kernel = dict.fromkeys(("forward", "row_means", "keys_and_values", "queries_and_bias"), 0)
    for program in lab.programs:
        by_kernel[program.kernel] += program.operations
    assert [n // (2 * 32 * 64 * 32) for n in by_kernel.values()] == [2, 0, 4, 3]


def test_half_precision_moves_half_of_it_but_for_the_row_numbers():
    s = Sizes(32, 32, 16, 16, (16, 16), number=2)
    with Lab() as lab:
        attend(*inputs(s, torch.float16), mask=None, bias=None, causal=False, scale=1.0, tile=s.tile)
    assert (lab.loaded, lab.stored) == forward_bytes(s)


def test_bytes_are_told_apart_by_program_and_by_argument():
    with Lab() as lab:
        add(torch.ones(20), torch.ones(20), block=16)
    assert [(p.kernel, p.launch, p.place, p.loaded, p.stored) for p in lab.programs] == [
        ("add_kernel", 0, (0, 0, 0), 128, 64),
        ("add_kernel", 0, (1, 0, 0), 32, 16),
    ]
    assert lab.loaded_from == {"x": 80, "y": 80}
    assert lab.stored_to == {"out": 80}


@triton.jit
def unmasked(x, out, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(out + at, tl.load(x + at))


@triton.jit
def everyone_adds(x, out):
    tl.store(out, tl.load(out) + tl.load(x + tl.program_id(0)))


@triton.jit
def everyone_adds_atomically(x, out):
    tl.atomic_add(out, tl.load(x + tl.program_id(0)))


@triton.jit
def shifts(x):
    at = tl.program_id(0)
    tl.store(x + at, tl.load(x + at + 1))


def test_accesses_outside_are_counted_and_not_carried_out():
    memory = torch.arange(16.0)
    out = torch.zeros(16)
    with Lab() as lab:
        unmasked[(2,)](memory[:6], out[:6], BLOCK=4)
    assert lab.outside == 4
    assert [program.outside for program in lab.programs] == [0, 4]
    assert out.tolist() == [*range(6), *[0] * 10]
    with Lab():
        unmasked[(2,)](memory[:6], out, BLOCK=4)
    assert out[6:8].isnan().all()


@triton.jit
def one_column_at_a_time(x, out, n, BLOCK: tl.constexpr):
    rows = tl.arange(0, BLOCK)
    for column in range(2):
        inside = (rows < n) & (column < n)
        tl.store(out + 2 * rows + column, tl.load(x + 2 * rows + column, mask=inside), mask=inside)


def test_a_mask_with_a_condition_on_a_single_number_is_a_mask():
    """The interpreter makes integers of such a mask."""
    x, out = torch.arange(6.0), torch.zeros(6)
    with Lab() as lab:
        one_column_at_a_time[(1,)](x, out, 3, BLOCK=4)
    assert torch.equal(out, x)
    assert (lab.loaded, lab.stored, lab.outside) == (24, 24, 0)


def test_races_are_counted():
    x, out = torch.ones(4), torch.zeros(1)
    with Lab() as lab:
        everyone_adds[(4,)](x, out)
    assert out.item() == 4  # one after another, all is well
    assert lab.raced == 6  # and yet three loads and three stores conflict
    with Lab() as lab:
        everyone_adds_atomically[(4,)](x, out)
    assert (out.item(), lab.raced) == (8, 0)
    with Lab() as lab:
        shifts[(3,)](torch.arange(4.0))
    assert lab.raced == 2  # two numbers are read by one program and written by the next


def test_launches_do_not_race_with_each_other():
    x, out = torch.ones(1), torch.zeros(1)
    with Lab() as lab:
        for _ in range(3):
            everyone_adds[(1,)](x, out)
    assert lab.raced == 0
    assert [program.launch for program in lab.programs] == [0, 1, 2]


def test_nothing_is_watched_afterwards():
    with pytest.raises(ZeroDivisionError), Lab() as lab:
        raise ZeroDivisionError
    add(torch.ones(2), torch.ones(2), block=2)
    assert lab.programs == []
