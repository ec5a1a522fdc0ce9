"""The teaching kernels, and the tiles of the tuner."""

import pytest
import torch

pytest.importorskip("triton", reason="Triton is published for Linux only")

import triton

from course.attention import attend
from course.kernels.triton.forward import forward
from course.kernels.triton.mode import compiled, interpreted
from course.kernels.triton.naive import naive
from course.kernels.triton.softmax import softmax, softmax_kernel
from course.kernels.triton.tuning import KEY, TILES
from course.kernels.triton.vector_add import add, add_kernel


@pytest.mark.parametrize("n", [1, 16, 37])
def test_add(n):
    x, y = torch.arange(float(n)), torch.full((n,), 0.5)
    assert torch.equal(add(x, y, block=16), x + y)


def test_add_takes_any_shape_and_strides():
    x, y = torch.randn(3, 5, 2), torch.randn(3, 2, 5).mT
    assert torch.equal(add(x, y, block=16), x + y)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_softmax(dtype):
    x = torch.randn(5, 7, dtype=dtype)
    torch.testing.assert_close(softmax(x), x.softmax(-1))
    torch.testing.assert_close(softmax(x.mT), x.mT.softmax(-1))
    torch.testing.assert_close(softmax(1e4 * x), (1e4 * x).softmax(-1))


@pytest.mark.parametrize("tile", [(16, 16), (16, 32), (64, 64)])
def test_naive(tile):
    q, k, v = torch.randn(19, 5), torch.randn(37, 5), torch.randn(37, 20)
    torch.testing.assert_close(naive(q, k, v, tile), attend(q, k, v))


@pytest.mark.parametrize("call", [lambda x: add(x, x), softmax, lambda x: naive(x, x, x)])
def test_bfloat16_is_refused_in_the_interpreter(call):
    with pytest.raises(ValueError, match="bfloat16 as integers"):
        call(torch.zeros(2, 2, dtype=torch.bfloat16))


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: add(torch.zeros(3), torch.zeros(4)), "y has shape = "),
        (lambda: softmax(torch.zeros(3)), "x must have 2 axes"),
        (lambda: naive(torch.zeros(3, 4), torch.zeros(5, 3), torch.zeros(5, 2)), "k has d_k = 3"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()


def test_kernels_are_interpreted_here():
    assert interpreted()
    assert not any(map(compiled, (add_kernel, softmax_kernel, forward)))


def test_tiles_are_powers_of_two_and_keys_are_arguments():
    assert set(KEY) <= set(forward.arg_names)
    for configs in TILES.values():
        for config in configs:
            sizes = config.kwargs["BLOCK_Q"], config.kwargs["BLOCK_K"]
            assert all(size >= 16 and size == triton.next_power_of_2(size) for size in sizes)
