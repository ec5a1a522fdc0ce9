"""Data: tasks that are generated, so that they run offline and are never exhausted, and text as numbers."""

from course.data.recall import RecallBatch, recall_batch
from course.data.vocabulary import Vocabulary, batch

__all__ = ["RecallBatch", "Vocabulary", "batch", "recall_batch"]
