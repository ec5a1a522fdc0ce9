"""The package behind the book *Attention, from First Principles to Kernels*."""

__version__ = "0.1.0"
