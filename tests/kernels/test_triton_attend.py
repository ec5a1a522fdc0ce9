"""The Triton kernels, interpreted, against the loop in float64: outputs and gradients."""

import pytest
import torch
from attention_cases import assert_same, bias_for, exact, inputs, mask_for, run
from combinations import meeting

from course.kernels.plain import einsum, loop

pytest.importorskip("triton", reason="Triton is published for Linux only")

import triton

from course.kernels.triton.attend import attend
from course.kernels.triton.tuning import config, tuned

SHAPES = {  # (batch, query heads, key heads, queries, keys, d_k, d_v); a tile is 16 queries, 16 or 32 keys
    "one tile": (1, 2, 2, 16, 16, 16, 16),
    "odd lengths": (2, 1, 1, 19, 37, 24, 10),
    "more queries than keys": (1, 2, 2, 37, 19, 5, 20),
    "one query": (1, 3, 3, 1, 35, 16, 8),
    "one key": (1, 2, 2, 18, 1, 3, 4),
    "grouped heads": (1, 4, 2, 21, 33, 7, 16),
    "one head of keys": (1, 3, 1, 17, 17, 16, 33),
}


@pytest.fixture(autouse=True)
def _poisoned(monkeypatch):
    """Memory that is allocated and not written holds NaN."""
    monkeypatch.setattr(torch.utils.deterministic, "fill_uninitialized_memory", True)
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


def extras(kind, shape):
    """A mask and a bias; the mask of "both" has an empty row, its bias broadcasts over the batch."""
    masks = {"plain": "none", "mask": "shared by heads", "both": "an empty row"}
    biases = {"plain": "no bias", "mask": "per key", "both": "per head"}
    return mask_for(masks[kind], shape), bias_for(biases[kind], shape)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shape", "kind", "causal"), meeting(SHAPES, ("plain", "mask", "both"), (False, True))
)
def test_equals_the_loop(shape, kind, causal):
    shape = SHAPES[shape]
    mask, bias = extras(kind, shape)
    tensors = inputs(shape) + bias
    expected = exact(loop, tensors, mask=mask, causal=causal)
    tile = (16, 32) if causal else (32, 16)
    came = run(attend, [x.float() for x in tensors], mask=mask, causal=causal, tile=tile)
    assert_same(came, expected, torch.float32)


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "causal"), [(torch.float64, True), (torch.float16, False)])
def test_other_dtypes(dtype, causal):
    mask, bias = extras("both", SHAPES["grouped heads"])
    tensors = inputs(SHAPES["grouped heads"]) + bias
    expected = exact(loop, tensors, mask=mask, causal=causal)
    came = run(attend, [x.to(dtype) for x in tensors], mask=mask, causal=causal, tile=(16, 16))
    assert_same(came, expected, dtype)


def test_the_tile_does_not_matter():
    tensors = [x.float() for x in inputs((1, 1, 1, 40, 50, 8, 8))]
    expected = exact(einsum, tensors, causal=True)
    for tile in ((16, 16), (16, 64), (64, 16), None):
        assert_same(run(attend, tensors, causal=True, tile=tile), expected, torch.float32)


def test_tuning_passes_everything_on(monkeypatch):
    """What a GPU does, with a clock that stands still."""
    tuned.cache_clear()
    monkeypatch.setattr("course.kernels.triton.attend.compiled", lambda kernel: True)
    monkeypatch.setattr(triton.runtime.Autotuner, "do_bench", lambda _, run, quantiles: [run() or 0.0] * 3)
    two = [config(16, 32, 4, 2), config(32, 16, 4, 2)]
    monkeypatch.setattr("course.kernels.triton.tuning.TILES", {"forward": two, "backward": two})
    tensors = inputs((1, 2, 1, 18, 20, 8, 8))
    mask, bias = extras("both", (1, 2, 1, 18, 20, 8, 8))
    expected = exact(loop, tensors + bias, mask=mask, causal=True)
    came = run(attend, tensors + bias, mask=mask, causal=True)
    assert_same(came, expected, torch.float64)
    tuned.cache_clear()


def test_a_row_with_nothing_to_attend_to_is_zero_and_has_no_gradient():
    tensors = [x.float() for x in inputs((1, 1, 1, 20, 18, 4, 4))]
    mask = torch.ones(20, 18, dtype=torch.bool)
    mask[5] = False
    out, dq, dk, dv = run(attend, tensors, mask=mask, causal=True, tile=(16, 16))
    for row in (0, 1, 5):  # the first two lie ahead of every key
        assert (out[0, 0, row] == 0).all()
        assert (dq[0, 0, row] == 0).all()
    assert all(x.isfinite().all() for x in (out, dq, dk, dv))


@pytest.mark.parametrize("lead", [(), (3,), (2, 1, 2)])
def test_any_number_of_leading_axes(lead):
    draw = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(*lead, n, 4, generator=draw) for n in (3, 5, 5))
    mask = torch.rand(3, 5, generator=draw) < 0.7
    options = {"mask": mask, "bias": None, "causal": False, "scale": 0.5}
    torch.testing.assert_close(attend(q, k, v, **options), loop(q, k, v, **options))


def test_any_strides():
    """Queries, keys and values as views of one tensor, (batch, time, heads, 3 widths)."""
    draw = torch.Generator().manual_seed(0)
    joined = torch.randn(2, 18, 2, 24, generator=draw).transpose(1, 2)
    q, k, v = joined.chunk(3, dim=-1)
    options = {"mask": None, "bias": None, "causal": True, "scale": 0.5}
    expected = loop(q, k, v, **options)
    torch.testing.assert_close(attend(q, k, v, tile=(16, 16), **options), expected)
    apart = [x.mT.contiguous().mT for x in (q, k, v)]
    torch.testing.assert_close(attend(*apart, tile=(16, 16), **options), expected)


def test_large_scores_do_not_overflow():
    q, k, v = (x.float() for x in inputs((1, 1, 1, 17, 33, 4, 4)))
    out, *grads = run(attend, [1e3 * q, 1e3 * k, v], causal=False, tile=(16, 16))
    assert all(x.isfinite().all() for x in (out, *grads))


def test_bfloat16_is_refused_in_the_interpreter():
    q = torch.zeros(1, 1, 2, 4, dtype=torch.bfloat16)
    with pytest.raises(ValueError, match=r"bfloat16 as integers.*backend='tiled'"):
        attend(q, q, q, mask=None, bias=None, causal=False, scale=1.0)
