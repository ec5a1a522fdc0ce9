"""Words to numbers and back, and sequences of unequal length side by side."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from course.data import Vocabulary, batch

TEXTS = ["b a c a", "a b d"]


def test_numbers_follow_frequency_then_the_alphabet():
    assert Vocabulary(TEXTS).words == ["<pad>", "<start>", "<end>", "<unknown>", "a", "b", "c", "d"]
    assert Vocabulary(TEXTS, 6).words[4:] == ["a", "b"]
    assert Vocabulary(TEXTS, extra=["<mask>"]).words[3:6] == ["<unknown>", "<mask>", "a"]


def test_unknown_words_and_limits_of_a_text():
    vocabulary = Vocabulary(TEXTS)
    assert vocabulary.encode("a z", start=True, end=True) == [1, 4, 3, 2]
    assert vocabulary.decode([1, 4, 5, 2, 6, 0]) == "a b"
    assert len(vocabulary) == 8
    assert vocabulary["d"] == 7


@given(st.lists(st.lists(st.sampled_from("abcd"), min_size=1).map(" ".join), min_size=1))
def test_decoding_undoes_encoding(texts):
    vocabulary = Vocabulary(texts)
    for text in texts:
        assert vocabulary.decode(vocabulary.encode(text, start=True, end=True)) == text


@given(st.lists(st.lists(st.integers(1, 9), min_size=1), min_size=1))
def test_batch_keeps_every_token(sequences):
    tokens, lengths = batch(sequences)
    assert tokens.shape == (len(sequences), max(map(len, sequences)))
    for row, length, sequence in zip(tokens, lengths, sequences, strict=True):
        assert row[:length].tolist() == sequence
        assert not row[length:].any()


def test_batch_with_another_padding():
    assert batch([[1], [2, 3]], pad=7)[0].tolist() == [[1, 7], [2, 3]]
    assert batch([[1], [2, 3]])[1].dtype == torch.int64


@pytest.mark.parametrize("sequences", [[], [[1], []]])
def test_nothing_to_batch(sequences):
    with pytest.raises(ValueError, match="every sequence must have a token"):
        batch(sequences)


def test_a_vocabulary_without_room():
    with pytest.raises(ValueError, match="size must be above 4, but is 4"):
        Vocabulary(TEXTS, 4)
    with pytest.raises(TypeError, match="size"):
        Vocabulary(TEXTS, 5.0)
