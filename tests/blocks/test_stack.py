"""What a stack promises whatever its configuration: what a token may see, and how large the stream is."""

import dataclasses

import pytest
import torch

from course.attention import padding
from course.blocks import Block, Configuration, Stack

BATCH, T, S = 2, 6, 4
BASE = Configuration(
    vocabulary=9, d_model=12, n_heads=4, n_layers=2, d_ff=10, positions="none", max_distance=10, n_buckets=8
)
KINDS = {
    "post-norm": {"pre_norm": False},
    "alibi": {"positions": "alibi"},
    "relative": {"positions": "relative", "scale": 1.0, "norm": "rms", "bias": False},
    "rotary": {"positions": "rotary", "n_kv_heads": 2, "d_head": 6, "activation": "silu", "gated": True},
}


def stack(kind, seed=0, **options):
    config = dataclasses.replace(BASE, **KINDS[kind])
    module = Stack(config, generator=torch.Generator().manual_seed(seed), **options).double()
    if module.relative is not None:
        module.relative.table.data.normal_(generator=torch.Generator().manual_seed(1))
    return module


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def influence(module, x, *args, **kwargs):
    """How much each output depends on each input token: (time of the output, time of the input)."""
    x = x.clone().requires_grad_()
    out = module(x, *args, **kwargs)
    rows = []
    for t in range(out.shape[1]):
        (gradient,) = torch.autograd.grad(out[0, t].square().sum(), x, retain_graph=True)
        rows.append(gradient[0].abs().amax(-1))
    return torch.stack(rows)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("padded", [False, True], ids=["full", "padded"])
def test_a_causal_stack_never_looks_ahead(kind, padded):
    mask = padding(torch.tensor([T - 2, T]), T) if padded else None
    seen = influence(stack(kind, causal=True), normal(BATCH, T, 12), mask=mask)
    assert (seen.triu(1) == 0).all()
    assert (seen.diagonal() > 0).all()
    real = T - 2 if padded else T
    assert (seen.tril()[:, :real] > 0).sum() == sum(min(t + 1, real) for t in range(T))


@pytest.mark.parametrize("kind", KINDS)
def test_others_look_everywhere(kind):
    assert (influence(stack(kind), normal(BATCH, T, 12)) > 0).all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("length", [0, 3, T])
def test_a_prefix_is_seen_by_all(kind, length):
    module = stack(kind, causal=True)
    seen = influence(module, normal(BATCH, T, 12), prefix=torch.tensor([length, 1])) > 0
    expected = torch.ones(T, T).tril().bool()
    expected[:, :length] = True
    assert (seen == expected).all()


@pytest.mark.parametrize("kind", KINDS)
def test_padding_changes_nothing(kind):
    module, x = stack(kind), normal(BATCH, T, 12)
    alone = module(x[:, : T - 2])
    longer = module(x, mask=padding(torch.tensor([T - 2, T - 2]), T))
    torch.testing.assert_close(longer[:, : T - 2], alone, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_cross_attention_reads_all_of_the_context(kind):
    module = stack(kind, causal=True, cross=True)
    context = normal(BATCH, S, 12, seed=1).requires_grad_()
    out = module(normal(BATCH, T, 12), context, context_mask=padding(torch.tensor([S - 1, S]), S))
    (gradient,) = torch.autograd.grad(out[0, 0].square().sum(), context)
    assert (gradient[0, : S - 1].abs().amax(-1) > 0).all()
    assert not gradient[0, S - 1 :].any()
    assert not gradient[1].any()


@pytest.mark.parametrize("n_layers", [2, 32])
def test_the_stream_of_a_deep_stack_starts_no_larger(n_layers):
    config = Configuration(vocabulary=9, d_model=64, n_heads=4, n_layers=n_layers, d_ff=128)
    module = Stack(config, generator=torch.Generator().manual_seed(0))
    x = torch.randn(2, 9, 64, generator=torch.Generator().manual_seed(1))
    for block in module.layers:
        x = block(x)
    assert 1 < x.std() < 1.6


def test_a_missing_or_unwanted_context():
    x = torch.zeros(1, 2, 12)
    with pytest.raises(ValueError, match="takes a context, but none came"):
        Block(BASE, cross=True)(x)
    with pytest.raises(ValueError, match=r"takes no context, but one of shape \(1, 3, 12\) came"):
        Block(BASE)(x, torch.zeros(1, 3, 12))


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"d_model": 0}, ValueError, "d_model must be at least 1, but is 0"),
        ({"n_layers": 2.0}, TypeError, "n_layers"),
        ({"n_kv_heads": True}, TypeError, "n_kv_heads must be an integer, but is True"),
        ({"positions": "rope"}, ValueError, "positions must be one of none, .*, rotary, but is 'rope'"),
        ({"norm": "batch"}, ValueError, "norm must be one of layer, rms, but is 'batch'"),
        ({"activation": "swish"}, ValueError, "activation must be one of"),
        ({"dropout": 1.0}, ValueError, "dropout"),
    ],
)
def test_bad_configurations(change, error, words):
    with pytest.raises(error, match=words):
        dataclasses.replace(BASE, **change)


def test_heads_that_do_not_fit():
    with pytest.raises(ValueError, match="multiple of n_heads = 5"):
        Stack(dataclasses.replace(BASE, n_heads=5))
