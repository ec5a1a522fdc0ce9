import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course.attention import LinearState, causal, elu_plus_one, linear_attend, linear_decode
from course.attention import positive_features as random_features
from course.grading.meter import LargestTensor

SHAPES = [(3, 3), (1, 5), (3, 5), (5, 3), (1, 1), (9, 9)]


def inputs(n_query, n_key, *lead, d=4, d_v=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shapes = (n_query, d), (n_key, d), (n_key, d_v)
    return [torch.randn(*lead, *shape, generator=generator, dtype=torch.float64) for shape in shapes]


def by_weights(q, k, v, mask, features=elu_plus_one):
    """The definition: a matrix of weights, each row divided by its sum."""
    weights = features(q) @ features(k).mT * mask
    total = weights.sum(-1, keepdim=True)
    return weights / torch.where(total == 0, 1, total) @ v


@pytest.mark.parametrize("size", [1, 2, 64])
@pytest.mark.parametrize("is_causal", [False, True])
@pytest.mark.parametrize(("n_query", "n_key"), SHAPES)
def test_equals_the_definition(n_query, n_key, is_causal, size):
    q, k, v = inputs(n_query, n_key, 2, 3)
    key_mask = torch.rand(2, 1, n_key, generator=torch.Generator().manual_seed(1)) < 0.6
    order = causal(n_query, n_key) if is_causal else torch.ones(n_query, n_key, dtype=torch.bool)
    for seen in (None, key_mask):
        mask = order if seen is None else order & seen[..., None, :]
        out = linear_attend(q, k, v, key_mask=seen, causal=is_causal, size=size)
        torch.testing.assert_close(out, by_weights(q, k, v, mask))
        assert (out[~mask.expand(2, 3, n_query, n_key).any(-1)] == 0).all()


@pytest.mark.parametrize("is_causal", [False, True])
def test_any_feature_map_can_be_used(is_causal):
    q, k, v = inputs(5, 5, 2)
    directions = torch.randn(7, 4, dtype=torch.float64)

    def features(x):
        return random_features(x, directions)

    mask = causal(5) if is_causal else torch.ones(5, 5, dtype=torch.bool)
    out = linear_attend(q, k, v, features=features, causal=is_causal)
    torch.testing.assert_close(out, by_weights(q, k, v, mask, features))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("is_causal", [False, True])
def test_half_precision_is_summed_in_float32(is_causal, dtype):
    q, k, v = (x.to(dtype) for x in inputs(3000, 3000, d=32))
    q = 3 * q.abs()  # the totals pass 65504, float16's largest number
    out = linear_attend(q, k, v, causal=is_causal)
    features = [elu_plus_one(x).double() for x in (q, k)]
    wanted = linear_attend(*features, v.double(), features=lambda x: x, causal=is_causal)
    torch.testing.assert_close(out.double(), wanted, rtol=torch.finfo(dtype).eps, atol=1e-5)
    _, state = linear_decode(q, k, v)
    torch.testing.assert_close(state.read(elu_plus_one(q[-1:])).to(dtype), out[-1:])


def test_all_keys_masked_gives_zeros_and_finite_gradients():
    q, k, v = (x.requires_grad_() for x in inputs(3, 4))
    for is_causal in (False, True):
        out = linear_attend(q, k, v, key_mask=torch.zeros(4, dtype=torch.bool), causal=is_causal)
        assert (out == 0).all()
        assert all(x.isfinite().all() for x in torch.autograd.grad(out.sum(), (q, k, v)))


@pytest.mark.parametrize("is_causal", [False, True])
def test_gradients(is_causal):
    tensors = [x.requires_grad_() for x in inputs(4, 5)]
    assert torch.autograd.gradcheck(lambda *x: linear_attend(*x, causal=is_causal, size=2), tensors)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=5), st.integers(1, 4), st.integers(0, 10**6))
def test_a_prompt_and_what_follows_it(lengths, size, seed):
    q, k, v = inputs(sum(lengths), sum(lengths), 2, seed=seed)
    outputs, state = [], None
    for part in zip(*(x.split(lengths, -2) for x in (q, k, v)), strict=True):
        out, state = linear_decode(*part, state, size=size)
        outputs.append(out)
    torch.testing.assert_close(torch.cat(outputs, -2), linear_attend(q, k, v, causal=True))
    torch.testing.assert_close(state.read(elu_plus_one(q)), linear_attend(q, k, v))


def test_states_of_two_sets_of_keys_add_up():
    q, k, v = inputs(3, 7, 2)

    def state(piece):
        keys = elu_plus_one(k[:, piece])
        return LinearState(keys.mT @ v[:, piece], keys.sum(-2))

    both = state(slice(4)).merge(state(slice(4, None)))
    torch.testing.assert_close(both.read(elu_plus_one(q)), linear_attend(q, k, v))


@pytest.mark.parametrize("is_causal", [False, True])
def test_no_tensor_grows_with_the_square_of_the_length(is_causal):
    largest = []
    for n in (256, 512):
        with LargestTensor() as meter:
            linear_attend(*inputs(n, n, d=8, d_v=8), causal=is_causal, size=16)
        largest.append(meter.size)
    assert largest[1] == 2 * largest[0] < 512 * 512
