import pytest
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from course.shapes import Size, checked


@checked
def mix(
    x: Float[Tensor, "*batch time width"],
    w: Float[Tensor, "width 3"],
    ids: Int[Tensor, "time"] | None = None,
    keep: Bool[Tensor, "*#batch #time"] | None = None,
    n: Size = 1,
    rate: float = 0.5,
    flag: bool = False,
    name: str = "free",
):
    return "ran"


class Layer:
    @checked
    def __init__(self, width: Size):
        self.width = width

    @checked
    def forward(self, x: Float[Tensor, "time"]):
        return x


X, W = torch.ones(2, 5, 4), torch.ones(4, 3)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"ids": torch.arange(5)},
        {"ids": None},
        {"keep": torch.ones(5, dtype=torch.bool)},
        {"keep": torch.ones(1, 1, dtype=torch.bool)},
        {"keep": torch.ones(2, 1, dtype=torch.bool)},
        {"n": 7, "rate": 2, "flag": True, "name": 3},
    ],
)
def test_what_fits_is_taken(options):
    assert mix(X, W, **options) == "ran"
    assert mix(X[0, :], w=W, ids=options.get("ids")) == "ran"


@pytest.mark.parametrize(
    ("arguments", "kind", "sentence"),
    [
        ((X.tolist(), W), TypeError, r"mix: x must be a torch.Tensor, but got \[\[\[1.0, .*… \(list\)\."),
        ((X.int(), W), TypeError, "mix: x must be a float tensor, but its dtype is torch.int32."),
        ((X, W, torch.ones(5)), TypeError, "mix: ids must be an int tensor, but its dtype is torch.float32."),
        ((X, W.double()), TypeError, "mix: w is torch.float64, but x is torch.float32; use one dtype."),
        (
            (X[0, 0], W),
            ValueError,
            r"x must have at least 2 axes, \(\*batch, time, width\), but its shape is \(4,\).",
        ),
        ((X, W[0]), ValueError, r"w must have 2 axes, \(width, 3\), but its shape is \(3,\)."),
        ((X[:, :0], W), ValueError, r"x must not be empty, but its shape is \(2, 0, 4\)."),
        ((X, W[:2]), ValueError, r"w has width = 2 \(its shape is \(2, 3\)\), but x has width = 4."),
        ((X, W[:, :2]), ValueError, r"w has 3 = 2 \(its shape is \(4, 2\)\), but the function has 3 = 3."),
        ((X, W.to("meta")), ValueError, "w is on meta, but x is on cpu; use one device."),
        (
            (X, W, torch.arange(4)),
            ValueError,
            r"ids has time = 4 \(its shape is \(4,\)\), but x has time = 5.",
        ),
        (
            (X, W, None, torch.ones(3, 5) > 0),
            ValueError,
            r"keep has batch = \(3,\) .*, but x has batch = \(2,\).",
        ),
        ((X, W, None, torch.ones(1, 2, 5) > 0), ValueError, r"keep has batch = \(1, 2\)"),
        ((X, W, None, None, 0), ValueError, "n must be a positive integer, but got 0."),
        ((X, W, None, None, True), TypeError, r"n must be a positive integer, but got True \(bool\)."),
        ((X, W, None, None, 1, float("inf")), ValueError, "rate must be a finite number, but got inf."),
        ((X, W, None, None, 1, "1"), TypeError, r"rate must be a number, but got '1' \(str\)."),
        ((X, W, None, None, 1, 0.5, 1), TypeError, r"flag must be True or False, but got 1 \(int\)."),
    ],
)
def test_what_does_not_fit_is_refused_with_a_sentence(arguments, kind, sentence):
    with pytest.raises(kind, match=sentence):
        mix(*arguments)


def test_classes_and_methods_speak_with_their_own_name():
    with pytest.raises(ValueError, match=r"^Layer: width must be a positive integer, but got -1\."):
        Layer(-1)
    with pytest.raises(
        ValueError, match=r"^Layer: x must have 1 axis, \(time\), but its shape is \(2, 2\)\."
    ):
        Layer(1).forward(torch.ones(2, 2))


def test_a_missing_argument_is_pythons_own_error():
    with pytest.raises(TypeError, match="missing a required argument: 'w'"):
        mix(X)
