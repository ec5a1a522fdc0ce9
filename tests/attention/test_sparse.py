import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course.attention import dilated, hubs, scattered, strided, window

SIZES = st.integers(1, 9)


@settings(max_examples=80, deadline=None)
@given(SIZES, SIZES, st.integers(1, 4), st.integers(1, 4))
def test_dilated_by_its_definition(n_query, n_key, size, step):
    def seen(i, j):
        back = i + n_key - n_query - j
        return back in range(0, size * step, step)

    by_loop = [[seen(i, j) for j in range(n_key)] for i in range(n_query)]
    assert dilated(n_query, n_key, size=size, step=step).tolist() == by_loop


@settings(max_examples=40, deadline=None)
@given(SIZES, SIZES, st.integers(1, 9))
def test_a_step_of_one_makes_a_window(n_query, n_key, size):
    assert torch.equal(dilated(n_query, n_key, size=size, step=1), window(n_query, n_key, size=size))


@settings(max_examples=80, deadline=None)
@given(SIZES, SIZES, st.integers(1, 5))
def test_strided_is_a_window_and_a_comb(n_query, n_key, stride):
    comb = dilated(n_query, n_key, size=n_query + n_key, step=stride)
    assert torch.equal(strided(n_query, n_key, stride=stride), window(n_query, n_key, size=stride) | comb)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 30), st.integers(1, 8))
def test_two_layers_of_strided_connect_everything(n, stride):
    once = strided(n, stride=stride).long()
    assert torch.equal((once @ once) > 0, torch.ones(n, n).tril().bool())


def test_hubs_see_all_and_are_seen_by_all():
    mask = hubs(torch.tensor([0, 3]), 5)
    assert mask.tolist() == [[i in (0, 3) or j in (0, 3) for j in range(5)] for i in range(5)]


@pytest.mark.parametrize("positions", [[-1, 2], [1, 5]])
def test_hubs_refuse_positions_outside(positions):
    with pytest.raises(
        ValueError, match=r"hubs: positions must lie between 0 and n_key - 1 = 4, but they go"
    ):
        hubs(torch.tensor(positions), 5)


def test_scattered_draws_so_many_keys_for_each_query():
    mask = scattered(40, 7, count=3, generator=torch.Generator().manual_seed(0))
    assert mask.shape == (40, 7)
    assert (mask.sum(1) == 3).all()
    assert mask.any(0).all()
    again = scattered(40, 7, count=3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(mask, again)


def test_scattered_refuses_more_keys_than_there_are():
    with pytest.raises(ValueError, match="count must be at most n_key = 3, but got 4"):
        scattered(5, 3, count=4, generator=torch.Generator())
