import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from course.attention import attend, attend_blocks, blockwise, hubs, layout, scattered, strided, window
from course.grading.meter import LargestTensor

SHAPES = {  # (leading axes of q, heads of k, queries, keys, d_k, d_v)
    "square": ((2, 3), 3, 12, 12, 4, 4),
    "odd lengths": ((2, 3), 3, 11, 13, 4, 6),
    "more queries than keys": ((1, 2), 2, 14, 5, 3, 2),
    "one query": ((2, 4), 4, 1, 9, 5, 3),
    "grouped heads": ((2, 6), 2, 10, 7, 4, 3),
    "no leading axis": ((), None, 9, 9, 4, 2),
}


def draw(shape, seed=0, dtype=torch.float64):
    lead, kv_heads, n_query, n_key, d_k, d_v = shape
    lead_k = (*lead[:-1], kv_heads) if lead else ()
    generator = torch.Generator().manual_seed(seed)
    sizes = [(*lead, n_query, d_k), (*lead_k, n_key, d_k), (*lead_k, n_key, d_v)]
    return [torch.randn(x, generator=generator, dtype=dtype).requires_grad_() for x in sizes]


def chance(n_query, n_key, size, share=0.5):
    shape = -(-n_query // size), -(-n_key // size)
    return torch.rand(shape, generator=torch.Generator().manual_seed(1)) < share


def run(tensors, function):
    out = function(*tensors)
    uneven = torch.arange(1.0, out.numel() + 1, dtype=out.dtype).reshape(out.shape).cos()
    return out, torch.autograd.grad((out * uneven).sum(), tensors)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("size", [1, 3, 4, 20])
@pytest.mark.parametrize("name", SHAPES)
def test_equal_to_attention_under_the_mask_of_the_layout(name, size, causal):
    tensors = draw(SHAPES[name])
    n_query, n_key = SHAPES[name][2:4]
    blocks = chance(n_query, n_key, size)
    blocks[0, 0] = True  # one at least, so that there are gradients
    mask = blockwise(blocks, n_query, n_key, size=size)
    came = run(tensors, lambda *x: attend_blocks(*x, blocks, size=size, causal=causal))
    right = run(tensors, lambda *x: attend(*x, mask=mask, causal=causal))
    torch.testing.assert_close(came, right)


@pytest.mark.parametrize("backend", ["sdpa", "tiled"])
def test_any_backend_computes_what_was_gathered(backend):
    tensors = draw(SHAPES["odd lengths"])
    blocks = chance(11, 13, 4)
    mask = blockwise(blocks, 11, 13, size=4)
    came = run(tensors, lambda *x: attend_blocks(*x, blocks, size=4, scale=0.3, backend=backend))
    torch.testing.assert_close(came, run(tensors, lambda *x: attend(*x, mask=mask, scale=0.3)))


def test_a_query_that_sees_nothing_gets_zeros():
    tensors = draw(SHAPES["odd lengths"])
    blocks = chance(11, 13, 4)
    blocks[1] = False
    out = attend_blocks(*tensors, blocks, size=4)
    assert (out[:, :, 4:8] == 0).all()
    assert (attend_blocks(*tensors, torch.zeros_like(blocks), size=4) == 0).all()


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 5), st.integers(0, 999))
def test_the_layout_of_a_mask_holds_just_its_blocks(n_query, n_key, size, seed):
    mask = torch.rand(n_query, n_key, generator=torch.Generator().manual_seed(seed)) < 0.2
    blocks = layout(mask, size=size)
    by_loop = [[tile.any().item() for tile in rows.split(size, 1)] for rows in mask.split(size, 0)]
    assert blocks.tolist() == by_loop
    covered = blockwise(blocks, n_query, n_key, size=size)
    assert (covered | ~mask).all()
    assert torch.equal(layout(covered, size=size), blocks)


@pytest.mark.parametrize("pattern", ["window", "strided", "hubs", "scattered"])
def test_only_the_blocks_of_the_layout_are_computed(pattern):
    n_blocks, size, d_k, d_v = 16, 8, 4, 6
    blocks = {
        "window": window(n_blocks, size=3),
        "strided": strided(n_blocks, stride=4),
        "hubs": hubs(torch.tensor([0]), n_blocks),
        "scattered": scattered(n_blocks, count=2, generator=torch.Generator()),
    }[pattern]
    n = n_blocks * size
    tensors = draw(((2,), 2, n, n, d_k, d_v))
    with FlopCounterMode(display=False) as counter:
        attend_blocks(*tensors, blocks, size=size, causal=pattern != "hubs")
    assert counter.get_total_flops() == 2 * 2 * blocks.sum().item() * size**2 * (d_k + d_v)


def test_no_tensor_has_a_number_for_each_pair():
    n, size = 512, 8
    tensors = draw(((), None, n, n, 4, 4))
    with LargestTensor() as largest:
        attend_blocks(*tensors, window(n // size, size=2), size=size, causal=True)
    assert largest.size <= 2 * n * size


def test_a_layout_of_another_size_is_refused():
    q, k, v = draw(SHAPES["odd lengths"])
    for function in (
        lambda x: attend_blocks(q, k, v, x, size=4),
        lambda x: blockwise(x, 11, 13, size=4),
    ):
        with pytest.raises(ValueError, match=r"layout must have the shape \(3, 4\), which 11 queries and 13"):
            function(torch.ones(3, 3, dtype=torch.bool))
