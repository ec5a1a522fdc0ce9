"""Inference: what a trained model writes."""

from course.inference.greedy import greedy

__all__ = ["greedy"]
