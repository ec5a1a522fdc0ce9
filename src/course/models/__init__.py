"""Models, each built from the rooms below it."""

from course.models.bert import BERT, bert
from course.models.gpt import GPT, gpt2
from course.models.llama import llama
from course.models.recall import Recall
from course.models.t5 import t5
from course.models.transformer import Transformer, original

__all__ = [
    "BERT",
    "GPT",
    "Recall",
    "Transformer",
    "bert",
    "gpt2",
    "llama",
    "original",
    "t5",
]
