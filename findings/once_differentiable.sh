#!/usr/bin/env bash
# torch 2.13.0: a function marked `once_differentiable` promises an error for a second derivative, and gives none
# where the gradient that comes in is a constant.
#
# Guess, written down before it was run: a gradient penalty through such a function raises
# "trying to differentiate twice a function that was marked with @once_differentiable", whatever the loss.
#
# Seen: for a loss that is the sum of the outputs, the gradient asked for with create_graph=True does not require a
# gradient. A penalty on it joins the loss as a constant, and training goes on without it and without a word. For a
# loss that is not linear in the outputs, the error comes as promised.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3.11 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
"$folder/env/bin/python" - <<'PY'
import torch
from torch.autograd.function import once_differentiable


class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return 2 * x * grad


def penalised(loss):
    """The gradient of a loss and of a penalty on its own gradient."""
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    value = loss(Square.apply(x))
    (slope,) = torch.autograd.grad(value, x, create_graph=True)
    (value + slope.square().sum()).backward()
    return slope.requires_grad, x.grad.tolist()


# d/dx (x² + (2x)²) = 2x + 8x: 10 and 20. Without the penalty: 2 and 4.
assert penalised(torch.sum) == (False, [2.0, 4.0]), penalised(torch.sum)
try:
    penalised(lambda y: y.square().sum())
except RuntimeError as error:
    assert "once_differentiable" in str(error), error
else:
    raise SystemExit("no error for a loss that is not linear")
print(torch.__version__.partition("+")[0], "the penalty on a sum is dropped without a word; otherwise an error")
PY
