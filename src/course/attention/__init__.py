"""Attention: scores, softmax, masks, and the one call that joins them."""

from course.attention.attend import attend, weigh
from course.attention.masks import causal, padding
from course.attention.scores import cosine, dot_product, scaled_dot_product
from course.attention.softmax import log_sum_exp, softmax

__all__ = [
    "attend",
    "causal",
    "cosine",
    "dot_product",
    "log_sum_exp",
    "padding",
    "scaled_dot_product",
    "softmax",
    "weigh",
]
