import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course.attention import causal, retain

SHAPES = [(3, 3), (1, 5), (3, 5), (5, 3), (1, 1), (9, 9)]


def inputs(n_query, n_key, *lead, d=4, d_v=2, seed=0):
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(*lead, *shape, generator=generator, dtype=torch.float64)

    decay = 0.3 + 0.7 * torch.rand(*lead, n_key, generator=generator, dtype=torch.float64)
    return draw(n_query, d), draw(n_key, d), draw(n_key, d_v), decay


def one_by_one(q, k, v, decay, state):
    """The recurrence, one key at a time, for tensors without leading axes."""
    offset, outputs = len(k) - len(q), []
    read = {i + offset: row for i, row in enumerate(q)}
    for t in range(min(offset, 0), len(k)):
        if t >= 0:
            state = decay[t] * state + torch.outer(k[t], v[t])
        if t in read:
            outputs.append(read[t] @ state)
    return torch.stack(outputs), state


@pytest.mark.parametrize("size", [1, 2, 4, 64])
@pytest.mark.parametrize(("n_query", "n_key"), SHAPES)
def test_equals_the_recurrence(n_query, n_key, size):
    q, k, v, decay = inputs(n_query, n_key)
    state = torch.randn(4, 2, dtype=torch.float64)
    expected = one_by_one(q, k, v, decay, state)
    torch.testing.assert_close(retain(q, k, v, decay=decay, state=state, size=size), expected)
    expected = one_by_one(q, k, v, torch.ones(n_key), torch.zeros(4, 2, dtype=torch.float64))
    torch.testing.assert_close(retain(q, k, v, size=size), expected)


@pytest.mark.parametrize(("n_query", "n_key"), SHAPES)
def test_without_decay_it_is_a_product_under_a_causal_mask(n_query, n_key):
    q, k, v, _ = inputs(n_query, n_key, 2, 3)
    out, state = retain(q, k, v, size=2)
    torch.testing.assert_close(out, (q @ k.mT * causal(n_query, n_key)) @ v)
    torch.testing.assert_close(state, k.mT @ v)
    assert (out[..., : max(n_query - n_key, 0), :] == 0).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 12), st.integers(0, 12), st.integers(1, 5), st.integers(0, 10**6))
def test_it_can_be_carried_on_anywhere(n, cut, size, seed):
    cut = min(cut, n)
    tensors = inputs(n, n, 2, seed=seed)
    q, k, v, decay = tensors
    whole = retain(q, k, v, decay=decay, size=64)
    outputs, state = [], None
    for piece in (slice(None, cut), slice(cut, None)):
        if q[:, piece].numel():
            part = (x[:, piece] for x in (q, k, v))
            out, state = retain(*part, decay=decay[:, piece], state=state, size=size)
            outputs.append(out)
    torch.testing.assert_close((torch.cat(outputs, -2), state), whole)


def test_one_decay_for_each_head_broadcasts():
    q, k, v, _ = inputs(5, 5, 2, 3)
    of_heads = torch.tensor([[0.5], [0.9], [1.0]], dtype=torch.float64)
    out, _ = retain(q, k, v, decay=of_heads)
    torch.testing.assert_close(out, retain(q, k, v, decay=of_heads.expand(2, 3, 5).contiguous())[0])


def test_strong_decay_neither_overflows_nor_leaks_nan_into_gradients():
    q, k, v, _ = inputs(100, 100)
    decay = torch.full((100,), 1e-9, dtype=torch.float64, requires_grad=True)
    out, _ = retain(q, k, v, decay=decay)
    assert out.isfinite().all()
    assert torch.autograd.grad(out.sum(), decay)[0].isfinite().all()


@pytest.mark.parametrize("size", [2, 64])
def test_gradients(size):
    tensors = [x.requires_grad_() for x in inputs(4, 5)]

    def weighted(q, k, v, decay):
        return retain(q, k, v, decay=decay, size=size)

    assert torch.autograd.gradcheck(weighted, tensors)


@pytest.mark.parametrize("bad", [0.0, -0.1, 1.5, float("nan")])
def test_a_decay_outside_is_refused(bad):
    q, k, v, decay = inputs(3, 3)
    with pytest.raises(ValueError, match="retain: decay must be above 0 and at most 1, but"):
        retain(q, k, v, decay=torch.full_like(decay, bad))


def test_a_state_that_does_not_fit_is_refused():
    q, k, v, _ = inputs(3, 3)
    with pytest.raises(ValueError, match="retain: state has features = 2"):
        retain(q, k, v, state=torch.zeros(2, 4, dtype=torch.float64))
