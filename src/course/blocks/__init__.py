"""Blocks: what every Transformer is built from."""

from course.blocks.block import Block
from course.blocks.configuration import Configuration
from course.blocks.embedding import Embedding, Head
from course.blocks.feed_forward import ACTIVATIONS, FeedForward
from course.blocks.normalization import LayerNorm, RMSNorm
from course.blocks.residual import Residual
from course.blocks.stack import Stack

__all__ = [
    "ACTIVATIONS",
    "Block",
    "Configuration",
    "Embedding",
    "FeedForward",
    "Head",
    "LayerNorm",
    "RMSNorm",
    "Residual",
    "Stack",
]
