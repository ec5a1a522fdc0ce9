"""Attention computed block by block: in torch, in C++ and in Triton."""
