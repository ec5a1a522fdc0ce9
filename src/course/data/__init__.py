"""Data: tasks that are generated, so that they run offline and are never exhausted, and text as numbers."""

from course.data.number_words import NumberPairs, number_pairs, number_words
from course.data.recall import RecallBatch, recall_batch
from course.data.vocabulary import Vocabulary, batch

__all__ = [
    "NumberPairs",
    "RecallBatch",
    "Vocabulary",
    "batch",
    "number_pairs",
    "number_words",
    "recall_batch",
]
