"""Bad input to a public function of the room is refused by name, never computed on."""

import inspect

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import course.attention as room
from course.attention import (
    attend,
    blockwise,
    causal,
    cosine,
    dot_product,
    log_sum_exp,
    padding,
    softmax,
    weigh,
)

GOOD = {
    "q": torch.randn(2, 3, 5, 4),
    "k": torch.randn(2, 3, 7, 4),
    "v": torch.randn(2, 3, 7, 6),
    "mask": torch.ones(5, 7, dtype=torch.bool),
    "bias": torch.randn(3, 5, 7),
    "grad": torch.randn(2, 3, 5, 6),
    "scores": torch.randn(2, 3, 5, 7),
    "weights": torch.randn(2, 3, 5, 7).softmax(-1),
    "grad_weights": torch.randn(2, 3, 5, 7),
    "lengths": torch.tensor([1, 2]),
    "segments": torch.tensor([[0, 0, 1], [0, 1, -1]]),
    "key_mask": torch.ones(7, dtype=torch.bool),
    "decay": torch.full((2, 3, 7), 0.9),
    "strength": torch.full((2, 3, 7), 0.5),
    "directions": torch.randn(8, 6),
    "weight": torch.randn(4, 4),
    "w_q": torch.randn(4, 8),
    "w_k": torch.randn(4, 8),
    "w": torch.randn(8),
    "x": torch.randn(2, 5, 6),
    "n_key": 7,
    "n_query": 5,
    "n_heads": 3,
    "size": 3,
    "step": 2,
    "stride": 2,
    "count": 2,
    "positions": torch.tensor([0, 3]),
    "layout": torch.ones(2, 3, dtype=torch.bool),
    "generator": torch.Generator(),
    "rate": 0.5,
}
FUNCTIONS = [getattr(room, name) for name in room.__all__ if inspect.isfunction(getattr(room, name))]
SIZES = ("n_query", "n_key", "n_heads", "size", "step", "stride", "count")


FITTING = ("another width of floats", "another device", "a wrong length")


def arguments(function):
    """Good arguments for every parameter that GOOD knows."""
    return {name: GOOD[name] for name in inspect.signature(function).parameters if name in GOOD}


def spoilt(name, value):
    """Every way to spoil an argument: (how, bad value)."""
    if name in SIZES:
        return [("a negative size", -2), ("zero", 0), ("a fraction", 2.5), ("a bool", True), ("text", "3")]
    if name == "generator":
        return []
    if name == "rate":
        return [("below zero", -0.1), ("one", 1.0), ("nothing finite", float("nan")), ("text", "0.5")]
    ways = [
        ("a list", value.tolist()),
        ("text", "tensor"),
        ("an empty tensor", value[:0]),
        ("no axis", value.flatten()[0]),
        ("another dtype", value.to(torch.complex64)),
    ]
    if name in ("q", "k", "v"):
        ways += [
            ("integers", value.long()),
            ("another width of floats", value.double()),
            ("another device", value.to("meta")),
            ("another batch", value[:1].repeat(3, 1, 1, 1)),
            ("five of three heads", value[:, :1].repeat(1, 5, 1, 1)),
        ]
    if name in ("mask", "bias", "layout"):
        ways += [
            ("integers", value.int()),
            ("a wrong length", value[..., :-1]),
            ("another device", value.to("meta")),
        ]
    if name == "scores":
        ways += [("integers", value.long())]
    return ways


CASES = [
    pytest.param(function, name, bad, id=f"{function.__name__}-{name}-{how}")
    for function in FUNCTIONS
    for name, value in arguments(function).items()
    for how, bad in spoilt(name, value)
    # alone, one tensor of another float dtype, device or length is as good as any
    if not (how in FITTING and sum(isinstance(x, torch.Tensor) for x in arguments(function).values()) == 1)
    or (how == "a wrong length" and function is blockwise)
]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_good_arguments_are_taken(function):
    function(**arguments(function))


@pytest.mark.parametrize(("function", "name", "bad"), CASES)
def test_refused_with_a_sentence(function, name, bad):
    with pytest.raises((TypeError, ValueError)) as caught:
        function(**(arguments(function) | {name: bad}))
    message = str(caught.value)
    assert message.startswith(f"{function.__name__}: ")
    assert message.endswith(".")
    assert "but" in message


LEADS = st.lists(st.sampled_from([1, 2, 2, 4, 0]), max_size=2)
SIZE = st.sampled_from([1, 2, 3, 3, 3, 0])


@settings(max_examples=300, deadline=None)
@given(LEADS, LEADS, st.booleans(), st.tuples(SIZE, SIZE, SIZE, SIZE, SIZE, SIZE))
def test_any_three_shapes_give_the_right_shape_or_a_sentence(lead, other, same, sizes):
    lead_k = lead if same else other
    of_q, of_k, of_v = [*lead, *sizes[:2]], [*lead_k, *sizes[2:4]], [*lead_k, *sizes[4:]]
    q, k, v = (torch.ones(shape) for shape in (of_q, of_k, of_v))
    fits = (
        0 not in (*of_q, *of_k, *of_v)
        and of_q[-1] == of_k[-1]
        and of_k[-2] == of_v[-2]
        and len(of_q) == len(of_k)
        and of_q[:-3] == of_k[:-3]
        and all(heads % kv_heads == 0 for heads, kv_heads in zip(of_q[-3:-2], of_k[-3:-2], strict=True))
    )
    if not fits:
        with pytest.raises(ValueError, match=r"^attend: "):
            attend(q, k, v)
        return
    out = attend(q, k, v)
    assert out.shape == (*of_q[:-1], of_v[-1])
    torch.testing.assert_close(out, torch.ones_like(out))


@pytest.mark.parametrize("function", [attend, weigh])
def test_scale_and_causal_are_checked(function):
    good = arguments(function)
    with pytest.raises(ValueError, match="scale must be a finite number, but got nan"):
        function(**good, scale=float("nan"))
    with pytest.raises(TypeError, match=r"causal must be True or False, but got 1 \(int\)"):
        function(**good, causal=1)


def test_an_unknown_backend_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"one of loop, einsum, sdpa.*but got 'flash'"):
        attend(*(GOOD[name] for name in "qkv"), backend="flash")


@pytest.mark.parametrize("score", [dot_product, cosine])
def test_a_mismatch_names_both_sides(score):
    with pytest.raises(ValueError, match=r"k has d_k = 3 \(its shape is \(2, 3, 7, 3\)\), but q has d_k = 4"):
        score(GOOD["q"], GOOD["k"][..., :3])


def test_a_mask_that_is_wider_than_the_scores_is_refused():
    for function in (softmax, log_sum_exp):
        with pytest.raises(ValueError, match=r"mask has batch = \(4, 2, 3, 5\)"):
            function(GOOD["scores"], torch.ones(4, 2, 3, 5, 7, dtype=torch.bool))


def test_sizes_that_are_not_positive_integers():
    with pytest.raises(ValueError, match="n_query must be a positive integer, but got -3"):
        causal(-3)
    with pytest.raises(TypeError, match="lengths must be an int tensor"):
        padding(torch.tensor([1.0]), 3)
