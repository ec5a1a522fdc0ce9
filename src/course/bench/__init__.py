"""Measurements: the same work done in several ways, side by side in one process."""

from course.bench.attention import Report, measure
from course.bench.memory import extra_memory
from course.bench.plan import Plan
from course.bench.stopwatch import interleave

__all__ = ["Plan", "Report", "extra_memory", "interleave", "measure"]
