"""Training."""

from course.training.fit import fit
from course.training.recall import recall_accuracy, train_recall

__all__ = ["fit", "recall_accuracy", "train_recall"]
