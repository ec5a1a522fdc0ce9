"""Data: tasks that are generated, so that they run offline and are never exhausted."""

from course.data.recall import RecallBatch, recall_batch

__all__ = ["RecallBatch", "recall_batch"]
