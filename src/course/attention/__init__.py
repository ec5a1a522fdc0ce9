"""Attention: the one call `attend`, heads, sparse and linear attention, and the formulas behind them."""

from course.attention.attend import attend
from course.attention.block_sparse import attend_blocks, blockwise, layout
from course.attention.delta import delta_rule
from course.attention.linear import LinearState, linear_attend, linear_decode
from course.attention.multi_head import MultiHeadAttention, merge_heads, split_heads
from course.attention.retention import retain
from course.attention.sparse import dilated, hubs, scattered, strided
from course.formulas.dropout import dropout
from course.formulas.features import elu_plus_one, positive_features
from course.formulas.gradients import attend_backward, softmax_backward
from course.formulas.masks import causal, packed, padding, prefix, window
from course.formulas.scores import (
    additive,
    cosine,
    dot_product,
    general,
    negative_squared_distance,
    scaled_dot_product,
)
from course.formulas.softmax import entropy, log_sum_exp, softmax
from course.formulas.weights import weigh

__all__ = [
    "LinearState",
    "MultiHeadAttention",
    "additive",
    "attend",
    "attend_backward",
    "attend_blocks",
    "blockwise",
    "causal",
    "cosine",
    "delta_rule",
    "dilated",
    "dot_product",
    "dropout",
    "elu_plus_one",
    "entropy",
    "general",
    "hubs",
    "layout",
    "linear_attend",
    "linear_decode",
    "log_sum_exp",
    "merge_heads",
    "negative_squared_distance",
    "packed",
    "padding",
    "positive_features",
    "prefix",
    "retain",
    "scaled_dot_product",
    "scattered",
    "softmax",
    "softmax_backward",
    "split_heads",
    "strided",
    "weigh",
    "window",
]
