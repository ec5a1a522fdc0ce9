import pytest
import torch
from torch import nn

from course.data import recall_batch
from course.models import Recall
from course.training import recall_accuracy, train_recall

SIZES = {"n_pairs": 4, "n_symbols": 8}


class Oracle(nn.Module):
    """Looks the answers up; is wrong for the symbols in `blind`."""

    def __init__(self, blind=()):
        super().__init__()
        self.blind = list(blind)

    def forward(self, keys, values, asked):
        found = values.gather(1, (keys[:, None] == asked[:, :, None]).int().argmax(-1))
        logits = nn.functional.one_hot(found, 8).float()
        logits[torch.isin(asked, torch.tensor(self.blind))] *= -1
        return logits


def test_accuracy_counts_right_answers():
    assert recall_accuracy(Oracle(), **SIZES) == 1
    assert recall_accuracy(Oracle(range(8)), **SIZES) == 0
    asked = recall_batch(128, 4, 8, torch.Generator().manual_seed(2**31)).asked
    assert recall_accuracy(Oracle([3]), **SIZES) == pytest.approx((asked != 3).float().mean().item())


def test_training_learns_the_task_and_comes_out_the_same_again():
    def run():
        draw = torch.Generator().manual_seed(0)
        model = Recall(8, 32, generator=draw)
        adam = torch.optim.Adam(model.parameters(), lr=3e-3)
        return train_recall(model, adam, steps=130, every=40, generator=draw, **SIZES)

    curve = run()
    assert list(curve) == [0, 40, 80, 120, 130]
    assert curve[0] < 0.4
    assert curve[130] > 0.95
    assert run() == curve


def test_sizes_are_checked_before_anything_is_trained():
    model = Recall(8, 4, generator=torch.Generator())
    before = [p.clone() for p in model.parameters()]
    adam = torch.optim.Adam(model.parameters())
    with pytest.raises(ValueError, match="steps must be a positive integer, but got -1"):
        train_recall(model, adam, steps=-1, generator=torch.Generator(), **SIZES)
    with pytest.raises(ValueError, match="n_pairs must be at most n_symbols = 8"):
        train_recall(model, adam, steps=1, n_pairs=9, n_symbols=8, generator=torch.Generator())
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
