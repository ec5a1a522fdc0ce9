import math

import pytest
import torch

from course.attention import attend
from course.data import recall_batch
from course.models import Recall


def model_and_batch(**options):
    draw = torch.Generator().manual_seed(0)
    model = Recall(9, 6, generator=draw, **options)
    return model, recall_batch(4, 5, 9, draw)


def test_forward_equals_one_question_at_a_time():
    model, (keys, values, asked, _) = model_and_batch()
    logits = model(keys, values, asked)
    assert logits.shape == (4, 5, 9)
    for b in range(4):
        pairs = [
            (model.key[k] + model.value[v]) / math.sqrt(2) for k, v in zip(keys[b], values[b], strict=True)
        ]
        for i, question in enumerate(asked[b]):
            q = model.key[question] @ model.w_q
            scores = torch.stack([q @ (pair @ model.w_k) / math.sqrt(6) for pair in pairs])
            mixed = sum(p * (pair @ model.w_v) for p, pair in zip(scores.softmax(0), pairs, strict=True))
            expected = torch.stack([mixed @ model.w_o @ row for row in model.value]) / math.sqrt(6)
            torch.testing.assert_close(logits[b, i], expected)


def test_queries_and_keys_start_with_entries_of_variance_one():
    model = Recall(300, 64, generator=torch.Generator().manual_seed(0))
    batch = recall_batch(20, 30, 300, torch.Generator().manual_seed(1))
    for x in model.project(*batch[:3]):
        assert abs(x.var() - 1) < 0.1


def test_attention_is_what_was_passed_and_every_parameter_learns():
    calls = []

    def spy(q, k, v):
        calls.append((q.shape, k.shape, v.shape))
        return attend(q, k, v)

    model, (keys, values, asked, _) = model_and_batch(attention=spy)
    model(keys, values, asked[:, :2]).pow(2).sum().backward()
    assert calls == [((4, 2, 6), (4, 5, 6), (4, 5, 6))]
    assert all(parameter.grad.abs().sum() > 0 for parameter in model.parameters())


def test_bad_input_is_refused():
    model, (keys, values, asked, _) = model_and_batch()
    with pytest.raises(ValueError, match=r"Recall: values has pairs = 4 .*, but keys has pairs = 5"):
        model(keys, values[:, :4], asked)
    with pytest.raises(TypeError, match="Recall: keys must be an int tensor"):
        model(keys.float(), values, asked)
    with pytest.raises(ValueError, match="Recall: d_model must be a positive integer, but got 0"):
        Recall(9, 0, generator=torch.Generator())
