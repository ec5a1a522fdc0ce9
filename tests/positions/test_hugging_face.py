"""Positions against the models that made them known, in Hugging Face's implementation."""

import pytest
import torch
from transformers.models.bloom.modeling_bloom import build_alibi_tensor
from transformers.models.t5.modeling_t5 import T5Attention

from course.positions import alibi_slopes, t5_buckets


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize(("n_buckets", "max_distance"), [(32, 128), (16, 40), (8, 100)])
def test_t5_buckets_for_every_distance(bidirectional, n_buckets, max_distance):
    offsets = torch.arange(-600, 601)
    theirs = T5Attention._relative_position_bucket(
        offsets, bidirectional=bidirectional, num_buckets=n_buckets, max_distance=max_distance
    )
    ours = t5_buckets(offsets, n_buckets, max_distance, bidirectional)
    assert torch.equal(ours, theirs)


@pytest.mark.parametrize("n_heads", [1, 2, 6, 8, 12, 16])
def test_alibi_slopes(n_heads):
    theirs = build_alibi_tensor(torch.ones(1, 3), n_heads, torch.float32)
    # Bloom stores slope times position of the key; the query's own position is constant along a row.
    torch.testing.assert_close(alibi_slopes(n_heads).float(), theirs[:, 0, 1])
