"""Feature maps: vectors whose dot products stand in for the exponentials of softmax."""

from __future__ import annotations

import math

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from course.shapes import checked


@checked
def elu_plus_one(x: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch d"]:
    """Return one positive feature for each entry, equation :eq:`elu-features`.

    Args:
        x: Queries or keys.

    Returns:
        :math:`x + 1` where `x` is positive, and :math:`e^x` elsewhere.

    Raises:
        TypeError: `x` is not a floating-point tensor.
        ValueError: `x` is empty or has no axis.

    Source:
        Katharopoulos et al. (2020), *Transformers are RNNs*, equation 7.
    """
    # elu(x) + 1 itself would round the features of very negative entries to 0.
    return F.relu(x) + x.clamp(max=0).exp()


@checked
def positive_features(
    x: Float[Tensor, "*batch d"], directions: Float[Tensor, "features d"]
) -> Float[Tensor, "*batch features"]:
    """Return positive random features of softmax's exponential, equation :eq:`positive-features`.

    For normal directions the dot product of the features of a query and of a key has the mean
    :math:`e^{q \\cdot k/\\sqrt{d}}`, equation :eq:`performer-mean`. No feature exceeds
    :math:`e^{|\\omega|^2/2}`, so none overflows; those of very long vectors all underflow.

    Args:
        x: Queries or keys, before any scale.
        directions: One row for each feature, of independent standard normal numbers.

    Returns:
        One feature for each direction.

    Raises:
        TypeError: An argument is not a floating-point tensor, or the dtypes differ.
        ValueError: The widths differ, or a tensor is empty.

    Source:
        Choromanski et al. (2021), *Rethinking Attention with Performers*, lemma 1.
    """
    x = x / x.shape[-1] ** 0.25
    exponents = x @ directions.mT - x.square().sum(-1, keepdim=True) / 2
    return exponents.exp() / math.sqrt(len(directions))
