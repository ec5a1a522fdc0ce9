import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from course.attention import delta_rule

SHAPES = [(3, 3), (1, 5), (3, 5), (5, 3), (9, 9)]


def inputs(n_query, n_key, *lead, d=4, d_v=2, seed=0):
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape, of=torch.randn):
        return of(*lead, *shape, generator=generator, dtype=torch.float64)

    keys = F.normalize(draw(n_key, d), dim=-1)
    rates = draw(n_key, of=torch.rand), 0.3 + 0.7 * draw(n_key, of=torch.rand)
    return draw(n_query, d), keys, draw(n_key, d_v), *rates


def one_by_one(q, k, v, strength, decay, state):
    offset, outputs = len(k) - len(q), []
    read = {i + offset: row for i, row in enumerate(q)}
    for t in range(min(offset, 0), len(k)):
        if t >= 0:
            state = decay[t] * state
            state = state + strength[t] * torch.outer(k[t], v[t] - k[t] @ state)
        if t in read:
            outputs.append(read[t] @ state)
    return torch.stack(outputs), state


@pytest.mark.parametrize("size", [1, 2, 4, 64])
@pytest.mark.parametrize(("n_query", "n_key"), SHAPES)
def test_equals_the_recurrence(n_query, n_key, size):
    q, k, v, strength, decay = inputs(n_query, n_key)
    state = torch.randn(4, 2, dtype=torch.float64)
    expected = one_by_one(q, k, v, strength, decay, state)
    found = delta_rule(q, k, v, strength=strength, decay=decay, state=state, size=size)
    torch.testing.assert_close(found, expected)
    ones = torch.ones(n_key)
    expected = one_by_one(q, k, v, ones, ones, torch.zeros_like(state))
    torch.testing.assert_close(delta_rule(q, k, v, size=size), expected)


@pytest.mark.parametrize("length", [16, 64, 256])
def test_the_memory_grows_at_most_like_the_root_of_the_number_of_keys(length):
    q, k, v, strength, _ = inputs(length, length, d=8, d_v=3)
    _, state = delta_rule(q, k, v, strength=strength)
    assert state.square().sum() <= v.square().sum()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_solved_and_remembered_in_float32(dtype):
    *tensors, strength, decay = inputs(70, 70, 2)
    tensors, strength, decay = [x.to(dtype) for x in tensors], strength.to(dtype), decay.to(dtype)
    out, state = delta_rule(*tensors, strength=strength, decay=decay, size=16)
    q, k, v = (x.double() for x in tensors)
    wanted, remembered = delta_rule(q, k, v, strength=strength.double(), decay=decay.double(), size=16)
    assert (out.dtype, state.dtype) == (dtype, torch.float32)
    # An output is rounded once, to half an ulp; in between stands float32.
    torch.testing.assert_close(out.double(), wanted, rtol=torch.finfo(dtype).eps, atol=1e-5)
    torch.testing.assert_close(state.double(), remembered, rtol=1e-5, atol=1e-5)
    delta_rule(*tensors, state=state)  # what was returned can be given back


def test_a_strength_of_one_replaces_and_of_zero_writes_nothing():
    q, k, v, _, _ = inputs(6, 6, 2, 3)
    same_key = k[..., :1, :].expand_as(k)
    out, _ = delta_rule(same_key, same_key, v)
    torch.testing.assert_close(out, v)
    out, state = delta_rule(q, k, v, strength=torch.zeros(1, dtype=torch.float64))
    assert (out == 0).all()
    assert (state == 0).all()


def test_orthogonal_keys_are_all_remembered():
    v = torch.randn(5, 3, dtype=torch.float64)
    k = torch.linalg.qr(torch.randn(8, 5, dtype=torch.float64))[0].mT
    out, state = delta_rule(k, k, v, size=2)
    torch.testing.assert_close(k @ state, v)
    torch.testing.assert_close(out, v)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 5), st.integers(0, 10**6))
def test_it_can_be_carried_on_anywhere(n, cut, size, seed):
    q, k, v, strength, decay = inputs(n, n, 2, seed=seed)
    whole = delta_rule(q, k, v, strength=strength, decay=decay)
    outputs, state = [], None
    for piece in (slice(None, cut), slice(cut, None)):
        if q[:, piece].numel():
            rates = {"strength": strength[:, piece], "decay": decay[:, piece]}
            part = (x[:, piece] for x in (q, k, v))
            out, state = delta_rule(*part, **rates, state=state, size=size)
            outputs.append(out)
    torch.testing.assert_close((torch.cat(outputs, -2), state), whole)


@pytest.mark.parametrize("size", [2, 64])
def test_gradients(size):
    tensors = [x.requires_grad_() for x in inputs(4, 5)]

    def weighted(q, k, v, strength, decay):
        return delta_rule(q, k, v, strength=strength, decay=decay, size=size)

    assert torch.autograd.gradcheck(weighted, tensors)


def test_a_decay_outside_is_refused():
    q, k, v, _, decay = inputs(3, 3)
    with pytest.raises(ValueError, match="delta_rule: decay must be above 0 and at most 1, but"):
        delta_rule(q, k, v, decay=0 * decay)
