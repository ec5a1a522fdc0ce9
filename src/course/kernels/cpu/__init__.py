"""Attention in C++ for the CPU, built with the compiler of the system."""

from course.kernels.cpu.attend import attend
from course.kernels.cpu.build import CompileError, NoCompiler, build, cache, compiler
from course.kernels.cpu.trial import try_out

__all__ = ["CompileError", "NoCompiler", "attend", "build", "cache", "compiler", "try_out"]
