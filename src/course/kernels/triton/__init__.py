"""Attention in Triton: kernels written in Python and compiled for a GPU.

Where there is no GPU, importing this package makes Triton interpret kernels on the CPU.
"""

from course.kernels.triton.mode import interpret, prepare

prepare()

__all__ = ["interpret"]
