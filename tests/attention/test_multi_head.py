"""The module against torch's, and the laws that follow from its formula."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from multi_head_cases import BATCH, D_CONTEXT, D_MODEL, HEADS, S, T, layer, normal
from torch import nn

from course.attention import MultiHeadAttention, attend, merge_heads, split_heads


def torch_layer(*, bias=True, width=D_MODEL):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = nn.MultiheadAttention(
            D_MODEL, HEADS, bias=bias, kdim=width, vdim=width, batch_first=True
        ).double()
        for name, parameter in module.named_parameters():
            if "bias" in name:
                nn.init.normal_(parameter)
    return module


def masks(kind, n_key):
    """The same mask by torch's convention (True forbids) and by ours (True allows)."""
    draw = torch.Generator().manual_seed(3)
    forbidden = torch.rand(T, n_key, generator=draw) < 0.4
    forbidden[:, 0] = False  # torch gives NaN for a row with nothing to attend to
    per_head = torch.rand(BATCH, HEADS, T, n_key, generator=draw) < 0.4
    per_head[..., 0] = False
    padded = torch.arange(n_key) >= torch.tensor([n_key, n_key - 2])[:, None]
    return {
        "none": ({}, {}),
        "shared": ({"attn_mask": forbidden}, {"mask": ~forbidden}),
        "per head": ({"attn_mask": per_head.flatten(0, 1)}, {"mask": ~per_head}),
        "padding": ({"key_padding_mask": padded}, {"mask": ~padded[:, None, None, :]}),
        "both": (
            {"attn_mask": forbidden, "key_padding_mask": padded},
            {"mask": ~forbidden & ~padded[:, None, None, :]},
        ),
    }[kind]


def gradients(output, leaves):
    uneven = torch.linspace(-1, 2, output.numel(), dtype=output.dtype).reshape(output.shape)
    return torch.autograd.grad((output * uneven).sum(), leaves)


@pytest.mark.parametrize("kind", ["none", "shared", "per head", "padding", "both"])
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
@pytest.mark.parametrize("cross", [False, True], ids=["self", "cross"])
def test_it_equals_torch(kind, bias, cross):
    theirs = torch_layer(bias=bias, width=D_CONTEXT if cross else D_MODEL)
    ours = MultiHeadAttention.from_torch(theirs)
    x = normal(BATCH, T, D_MODEL).requires_grad_()
    context = normal(BATCH, S, D_CONTEXT, seed=1).requires_grad_() if cross else x
    for_torch, for_us = masks(kind, context.shape[-2])
    expected, _ = theirs(x, context, context, **for_torch)
    came = ours(x, context if cross else None, **for_us)
    torch.testing.assert_close(came, expected, rtol=0, atol=1e-12)

    inputs = [x, context] if cross else [x]
    for a, b in zip(gradients(came, inputs), gradients(expected, inputs), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


@pytest.mark.parametrize("cross", [False, True], ids=["self", "cross"])
def test_gradients_of_the_weights_equal_torch(cross):
    theirs = torch_layer(width=D_CONTEXT if cross else D_MODEL)
    ours = MultiHeadAttention.from_torch(theirs)
    x = normal(BATCH, T, D_MODEL)
    context = normal(BATCH, S, D_CONTEXT, seed=1) if cross else x
    linears = (ours.w_q, ours.w_k, ours.w_v)
    came = gradients(ours(x, context), list(ours.parameters()))
    by_name = dict(zip((name for name, _ in ours.named_parameters()), came, strict=True))
    expected = gradients(theirs(x, context, context)[0], list(theirs.parameters()))
    of_torch = dict(zip((name for name, _ in theirs.named_parameters()), expected, strict=True))
    weights = (
        [of_torch[f"{letter}_proj_weight"] for letter in "qkv"]
        if cross
        else of_torch["in_proj_weight"].chunk(3)
    )
    biases = of_torch["in_proj_bias"].chunk(3)
    assert len(linears) == len(weights) == len(biases)
    for name, weight, bias in zip(("w_q", "w_k", "w_v"), weights, biases, strict=True):
        torch.testing.assert_close(by_name[f"{name}.weight"], weight, rtol=0, atol=1e-12)
        torch.testing.assert_close(by_name[f"{name}.bias"], bias, rtol=0, atol=1e-12)
    torch.testing.assert_close(by_name["w_o.weight"], of_torch["out_proj.weight"], rtol=0, atol=1e-12)
    torch.testing.assert_close(by_name["w_o.bias"], of_torch["out_proj.bias"], rtol=0, atol=1e-12)


def test_causal_equals_torch_with_a_causal_mask():
    theirs = torch_layer()
    x = normal(BATCH, T, D_MODEL)
    ahead = torch.ones(T, T, dtype=torch.bool).triu(1)
    expected, _ = theirs(x, x, x, attn_mask=ahead)
    torch.testing.assert_close(MultiHeadAttention.from_torch(theirs)(x, causal=True), expected)


def test_from_torch_copies():
    theirs = torch_layer()
    ours = MultiHeadAttention.from_torch(theirs)
    with torch.no_grad():
        before = ours.w_q.weight.clone()
        theirs.in_proj_weight.zero_()
    assert torch.equal(ours.w_q.weight, before)
    assert all(parameter.requires_grad for parameter in ours.parameters())


def head_by_head(module, x, context):
    """The sum over heads, each with its blocks of the four matrices. No reshape at all."""
    width = module.w_q.out_features // module.n_heads
    group = module.n_heads // module.n_kv_heads
    total = torch.zeros_like(x) if module.w_o.bias is None else module.w_o.bias.expand_as(x)
    for s in range(module.n_heads):
        parts = []
        for linear, tensor, head in (
            (module.w_q, x, s),
            (module.w_k, context, s // group),
            (module.w_v, context, s // group),
        ):
            rows = slice(head * width, (head + 1) * width)
            bias = 0 if linear.bias is None else linear.bias[rows]
            parts.append(tensor @ linear.weight[rows].T + bias)
        q, k, v = parts
        weights = (q @ k.mT / width**0.5).softmax(-1)
        total = total + weights @ v @ module.w_o.weight[:, s * width : (s + 1) * width].T
    return total


@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
@pytest.mark.parametrize("n_kv_heads", [1, 2, 3, 6])
def test_it_equals_a_sum_over_heads(n_kv_heads, bias):
    module = layer(D_MODEL, 6, n_kv_heads, d_head=5, d_context=D_CONTEXT, bias=bias)
    x, context = normal(BATCH, T, D_MODEL), normal(BATCH, S, D_CONTEXT, seed=1)
    torch.testing.assert_close(module(x, context), head_by_head(module, x, context), rtol=0, atol=1e-12)


def repeated(grouped):
    """Ungroup: every head of queries gets its own copy of what its group shares."""
    width = grouped.w_q.out_features // grouped.n_heads
    group = grouped.n_heads // grouped.n_kv_heads
    full = layer(D_MODEL, grouped.n_heads, d_head=width, d_context=grouped.w_k.in_features)
    state = grouped.state_dict()
    for name in ("w_k.weight", "w_v.weight", "w_k.bias", "w_v.bias"):
        blocks = state[name].unflatten(0, (grouped.n_kv_heads, width))
        state[name] = blocks.repeat_interleave(group, dim=0).flatten(0, 1)
    full.load_state_dict(state)
    return full


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("n_kv_heads", [1, 2, 4])
def test_shared_keys_equal_heads_with_the_same_weights(n_kv_heads, causal):
    grouped = layer(D_MODEL, 4, n_kv_heads, d_context=D_CONTEXT)
    x, context = normal(BATCH, T, D_MODEL), normal(BATCH, S, D_CONTEXT, seed=1)
    expected = repeated(grouped)(x, context, causal=causal)
    torch.testing.assert_close(grouped(x, context, causal=causal), expected, rtol=0, atol=1e-12)


def test_gradcheck():
    module = layer(4, 2, 1, d_head=3, d_context=2)
    x, context = normal(1, 2, 4).requires_grad_(), normal(1, 3, 2, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda x, y: module(x, y, causal=True), (x, context))


def test_a_query_with_nothing_to_attend_to_gets_the_bias_alone():
    module = layer(D_MODEL, HEADS)
    mask = torch.ones(T, T, dtype=torch.bool)
    mask[2] = False
    out = module(normal(BATCH, T, D_MODEL), mask=mask)
    torch.testing.assert_close(out[:, 2], module.w_o.bias.expand(BATCH, -1))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 10**6))
def test_order_of_the_context_does_not_matter_and_order_of_queries_carries_over(n_query, n_key, seed):
    module = layer(D_MODEL, HEADS, d_context=D_CONTEXT)
    x, context = normal(n_query, D_MODEL, seed=seed), normal(n_key, D_CONTEXT, seed=seed + 1)
    draw = torch.Generator().manual_seed(seed)
    rows, columns = torch.randperm(n_query, generator=draw), torch.randperm(n_key, generator=draw)
    torch.testing.assert_close(module(x[rows], context[columns]), module(x, context)[rows])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 3), max_size=2), st.integers(1, 4), st.integers(1, 4), st.integers(1, 4))
def test_split_puts_every_number_where_the_formula_says_and_merge_takes_it_back(lead, n_heads, time, width):
    x = torch.arange(float(torch.Size(lead).numel() * time * n_heads * width)).reshape(*lead, time, -1)
    heads = split_heads(x, n_heads)
    assert heads.shape == (*lead, n_heads, time, width)
    for s in range(n_heads):
        assert torch.equal(heads[..., s, :, :], x[..., s * width : (s + 1) * width])
    assert torch.equal(merge_heads(heads), x)


def test_split_makes_no_copy():
    x = normal(2, 5, 12)
    assert split_heads(x, 3).data_ptr() == x.data_ptr()


def test_it_calls_attend_on_the_split_projections():
    module = layer(D_MODEL, HEADS)
    x = normal(BATCH, T, D_MODEL)
    q, k, v = (split_heads(linear(x), HEADS) for linear in (module.w_q, module.w_k, module.w_v))
    torch.testing.assert_close(module(x), module.w_o(merge_heads(attend(q, k, v))))


def test_initial_weights_come_from_the_generator_alone():
    one, other = layer(D_MODEL, HEADS, seed=5), layer(D_MODEL, HEADS, seed=5)
    assert all(map(torch.equal, one.state_dict().values(), other.state_dict().values()))
    wide = MultiHeadAttention(256, 8, d_context=64, generator=torch.Generator().manual_seed(0))
    for linear, width in ((wide.w_q, 256), (wide.w_k, 64), (wide.w_v, 64), (wide.w_o, 256)):
        assert linear.weight.var().item() * width == pytest.approx(1, rel=0.05)
        assert (linear.bias == 0).all()


def test_bias_scale_and_turn_reach_the_scores():
    module = layer(D_MODEL, HEADS, scale=0.3)
    x, bias = normal(BATCH, T, D_MODEL), normal(HEADS, T, T, seed=2)
    q, k, v = (split_heads(w(x), HEADS) for w in (module.w_q, module.w_k, module.w_v))
    expected = attend(q.flip(-1) * 2, k.flip(-1) * 2, v, bias=bias, scale=0.3)
    came = module(x, bias=bias, turn=lambda heads: heads.flip(-1) * 2)
    torch.testing.assert_close(came, module.w_o(merge_heads(expected)), rtol=0, atol=1e-12)
