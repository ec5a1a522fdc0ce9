"""Training."""

from course.training.recall import recall_accuracy, train_recall

__all__ = ["recall_accuracy", "train_recall"]
