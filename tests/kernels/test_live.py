import pytest
import torch

from course.kernels.live import LiveBytes
from course.kernels.plain import einsum
from course.kernels.tiled import tiled


def test_counts_what_is_alive_at_once():
    x = torch.ones(100)
    with LiveBytes() as live:
        y = x + 1  # 400 bytes
        z = y * 2  # 800
        del y  # 400
        w = z.view(10, 10).mT + 1  # 800, and no view counts
        w.add_(1)  # in place: nothing new
        del z, w
        torch.ones(150)  # 600, alone
    assert live.most == 800


def test_inputs_do_not_count_even_when_written_to():
    x = torch.ones(100)
    with LiveBytes() as live:
        x.mul_(2)
        torch.add(x, 1, out=x)
    assert live.most == 0


def peak(attention, n, **options):
    leaves = [torch.ones(2, n, 8, requires_grad=True) for _ in range(3)]
    with LiveBytes() as live:
        out = attention(*leaves, mask=None, bias=None, causal=True, scale=0.3, **options)
        torch.autograd.grad(out.sum(), leaves)
    return live.most


@pytest.mark.parametrize("n", [64, 128])
def test_memory_of_tiled_grows_with_the_length_and_of_naive_with_its_square(n):
    tile = 2 * 16 * 16 * 4  # bytes of the scores of one tile
    assert peak(tiled, 2 * n, tile=(16, 16)) < 2.1 * peak(tiled, n, tile=(16, 16))
    assert peak(tiled, n, tile=(16, 16)) < 2 * n * 8 * 4 * 5 + 10 * tile
    assert peak(einsum, 2 * n) > 3.5 * peak(einsum, n)
