"""The feed-forward network against its formula, one token at a time."""

import math

import pytest
import torch

from course.blocks import FeedForward

D_MODEL, D_FF = 5, 7
FORMULAS = {
    "relu": lambda z: max(z, 0.0),
    "gelu": lambda z: z * (1 + math.erf(z / math.sqrt(2))) / 2,
    "gelu_tanh": lambda z: z * (1 + math.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3))) / 2,
    "silu": lambda z: z / (1 + math.exp(-z)),
}


def network(activation, **options):
    draw = torch.Generator().manual_seed(0)
    module = FeedForward(D_MODEL, D_FF, activation, generator=draw, **options).double()
    for parameter in module.parameters():
        parameter.data = torch.randn(parameter.shape, generator=draw, dtype=torch.float64)
    return module


@pytest.mark.parametrize("activation", FORMULAS)
@pytest.mark.parametrize("gated", [False, True], ids=["plain", "gated"])
@pytest.mark.parametrize("bias", [False, True], ids=["no bias", "bias"])
def test_it_equals_the_formula(activation, gated, bias):
    module, formula = network(activation, gated=gated, bias=bias), FORMULAS[activation]
    x = torch.randn(2, 3, D_MODEL, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    def affine(linear, row):
        out = [sum(w * r for w, r in zip(weights, row, strict=True)) for weights in linear.weight.tolist()]
        return [o + b for o, b in zip(out, linear.bias.tolist() if bias else [0.0] * len(out), strict=True)]

    def token(row):
        inner = affine(module.w_in, row)
        if gated:
            pairs = zip(affine(module.w_gate, row), inner, strict=True)
            return affine(module.w_out, [formula(g) * i for g, i in pairs])
        return affine(module.w_out, [formula(i) for i in inner])

    expected = [[token(row) for row in sequence] for sequence in x.tolist()]
    torch.testing.assert_close(module(x), torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-10)
    assert torch.autograd.gradcheck(module, x[:1].clone().requires_grad_())


def test_initial_variance():
    module = FeedForward(64, 256, generator=torch.Generator().manual_seed(0))
    assert abs(module.w_in.weight.var().item() * 64 - 1) < 0.05
    assert abs(module.w_out.weight.var().item() * 256 - 1) < 0.05
    assert not module.w_in.bias.any()


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((0, 4), ValueError, "d_model"),
        ((4, 2.5), TypeError, "d_ff"),
        ((4, 4, "swish"), ValueError, "activation must be one of relu, gelu, gelu_tanh, silu.*'swish'"),
    ],
)
def test_bad_arguments(arguments, error, words):
    with pytest.raises(error, match=words):
        FeedForward(*arguments)


def test_bad_width():
    with pytest.raises(ValueError, match=r"x must be 5 wide, but its shape is \(2, 6\)"):
        network("relu").float()(torch.zeros(2, 6))
