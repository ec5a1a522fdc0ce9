"""Blocks and stacks against torch's layers with the same weights: outputs, and gradients of everything."""

import warnings

import pytest
import torch
from torch import nn

from course.attention import padding
from course.blocks import Block, Configuration, LayerNorm, Stack
from course.models.pretrained import copy_weights

BATCH, T, S, D_MODEL, HEADS, D_FF, DEPTH = 2, 5, 7, 12, 3, 10, 2
BOUND = {"rtol": 0, "atol": 1e-11}


def normal(*shape, seed):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def jiggled(module):
    """Every parameter moved, norms and biases too: where they stand at the start, mistakes are hidden."""
    for seed, parameter in enumerate(module.parameters()):
        parameter.data += 0.2 * normal(*parameter.shape, seed=seed)
    return module


def theirs(kind, *, pre_norm, activation, n_layers=None):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layer = getattr(nn, f"Transformer{kind}Layer")(
            D_MODEL, HEADS, D_FF, 0.0, activation, batch_first=True, norm_first=pre_norm, dtype=torch.float64
        )
        if n_layers is None:
            return jiggled(layer)
        norm = nn.LayerNorm(D_MODEL, dtype=torch.float64) if pre_norm else None
        options = {"enable_nested_tensor": False} if kind == "Encoder" else {}
        return jiggled(getattr(nn, f"Transformer{kind}")(layer, n_layers, norm, **options))


def config(*, pre_norm, activation):
    return Configuration(
        vocabulary=9,
        d_model=D_MODEL,
        n_heads=HEADS,
        n_layers=DEPTH,
        d_ff=D_FF,
        positions="none",
        activation=activation,
        pre_norm=pre_norm,
    )


def ours(module, like, kind):
    module = module.double()
    copy_weights(module, like.state_dict(), f"torch_{kind.lower()}")
    return module


def gradients(output, leaves):
    uneven = torch.linspace(-1, 2, output.numel(), dtype=output.dtype).reshape(output.shape)
    return torch.autograd.grad((output * uneven).sum(), leaves)


def assert_same(came, expected, inputs, mine, other, keep=None):
    """Compare outputs, gradients of the inputs, and those of all parameters: by their sizes, name by name."""
    if keep is not None:
        came, expected = came[keep], expected[keep]
    torch.testing.assert_close(came, expected, **BOUND)
    of_mine = gradients(came, [*inputs, *mine.parameters()])
    of_other = gradients(expected, [*inputs, *other.parameters()])
    for a, b in zip(of_mine[: len(inputs)], of_other[: len(inputs)], strict=True):
        torch.testing.assert_close(a, b, **BOUND)
    # Each matrix of theirs that joins three of ours has their gradients as its rows.
    total = [sum(g.square().sum() for g in part[len(inputs) :]) for part in (of_mine, of_other)]
    torch.testing.assert_close(*total, rtol=1e-10, atol=0)


PADDED = padding(torch.tensor([S, S - 3]), S)
AHEAD = torch.ones(T, T, dtype=torch.bool).triu(1)


@pytest.mark.parametrize("pre_norm", [False, True], ids=["post-norm", "pre-norm"])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("padded", [False, True], ids=["full", "padded"])
@pytest.mark.parametrize("depth", [None, DEPTH], ids=["layer", "stack"])
def test_encoder(pre_norm, activation, padded, depth):
    other = theirs("Encoder", pre_norm=pre_norm, activation=activation, n_layers=depth)
    make = Block if depth is None else Stack
    mine = ours(make(config(pre_norm=pre_norm, activation=activation)), other, "Encoder")
    x = normal(BATCH, S, D_MODEL, seed=1).requires_grad_()
    mask = PADDED if padded else None
    expected = other(x, src_key_padding_mask=~PADDED[:, 0, 0] if padded else None)
    assert_same(mine(x, mask=mask), expected, [x], mine, other, PADDED[:, 0, 0] if padded else None)


@pytest.mark.parametrize("pre_norm", [False, True], ids=["post-norm", "pre-norm"])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("padded", [False, True], ids=["full", "padded"])
@pytest.mark.parametrize("depth", [None, DEPTH], ids=["layer", "stack"])
def test_decoder(pre_norm, activation, padded, depth):
    other = theirs("Decoder", pre_norm=pre_norm, activation=activation, n_layers=depth)
    settings = config(pre_norm=pre_norm, activation=activation)
    x, context = (normal(BATCH, n, D_MODEL, seed=n).requires_grad_() for n in (T, S))
    mask = PADDED if padded else None
    if depth is None:
        mine = ours(Block(settings, cross=True), other, "Decoder")
        came = mine(x, context, context_mask=mask, causal=True)
    else:
        mine = ours(Stack(settings, causal=True, cross=True), other, "Decoder")
        came = mine(x, context, context_mask=mask)
    ignored = ~PADDED[:, 0, 0] if padded else None
    expected = other(x, context, tgt_mask=AHEAD, memory_key_padding_mask=ignored)
    assert_same(came, expected, [x, context], mine, other)


@pytest.mark.parametrize("pre_norm", [False, True], ids=["post-norm", "pre-norm"])
def test_encoder_and_decoder(pre_norm):
    """torch's nn.Transformer normalises once more at the end of both stacks, with post-norm too."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        sizes = D_MODEL, HEADS, DEPTH, DEPTH, D_FF, 0.0
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "enable_nested_tensor")
            other = nn.Transformer(*sizes, batch_first=True, norm_first=pre_norm, dtype=torch.float64)
    jiggled(other)
    settings = config(pre_norm=pre_norm, activation="relu")
    stacks = {"Encoder": Stack(settings), "Decoder": Stack(settings, causal=True, cross=True)}
    for kind, stack in stacks.items():
        stack.norm = LayerNorm(D_MODEL)
        ours(stack, getattr(other, kind.lower()), kind)
    mine = nn.ModuleDict(stacks)
    source, target = (normal(BATCH, n, D_MODEL, seed=n).requires_grad_() for n in (S, T))
    ignored = ~PADDED[:, 0, 0]
    expected = other(
        source,
        target,
        tgt_mask=AHEAD,
        src_key_padding_mask=ignored,
        memory_key_padding_mask=ignored,
    )
    came = mine["Decoder"](target, mine["Encoder"](source, mask=PADDED), context_mask=PADDED)
    assert_same(came, expected, [source, target], mine, other)
