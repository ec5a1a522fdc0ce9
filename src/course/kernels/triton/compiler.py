"""The process behind :mod:`course.kernels.triton.compile`: requests come in as JSON, PTX goes out."""

from __future__ import annotations

import json
import sys

import triton
import triton.language as tl
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from course.kernels.triton.backward import keys_and_values, queries_and_bias
from course.kernels.triton.compile import DTYPES
from course.kernels.triton.forward import forward

KERNELS = {"forward": forward, "keys_and_values": keys_and_values, "queries_and_bias": queries_and_bias}
ABSENT = ("mask", "bias", "dbias")
ROUND = 16
"""Addresses and strides are multiples of 16 bytes or entries, as those of torch's tensors usually are."""


def compiled(request: dict) -> tuple[str, int]:
    """The PTX of one kernel, and its bytes of shared memory."""
    kernel, width = KERNELS[request["kernel"]], request["width"]
    wide = tl.float64 if request["dtype"] == "float64" else tl.float32
    fixed = {
        "D_K": width, "D_V": width, "PAD_K": width, "PAD_V": width, "CAUSAL": request["causal"],
        "PRECISION": "ieee", "WIDE": wide, "BLOCK_Q": request["tile"][0], "BLOCK_K": request["tile"][1],
        **dict.fromkeys(ABSENT),
    }  # fmt: skip
    signature, attributes = {}, {}
    for at, name in enumerate(kernel.arg_names):
        if name in fixed:
            signature[name] = "constexpr"
        elif name.endswith("_strides"):
            # The last stride is 1: the kernels do not ask for it, but for a mask or a bias.
            signature[name] = ("i64", "i64", "i64", "constexpr")
            attributes |= {(at, axis): [["tt.divisibility", ROUND]] for axis in range(3)}
        elif name.startswith(("n_", "group")):
            signature[name] = "i32"
        elif name == "scale":
            signature[name] = "fp32"
        else:
            row = name in ("lse", "mean")
            signature[name] = "*" + (str(wide) if row else DTYPES[request["dtype"]])
            attributes[at,] = [["tt.divisibility", ROUND]]
    constants = {name: value for name, value in fixed.items() if name in kernel.arg_names}
    constants |= {(at, 3): 1 for at, name in enumerate(kernel.arg_names) if name.endswith("_strides")}
    source = ASTSource(kernel, signature, constants, attributes)
    options = {"num_warps": request["warps"], "num_stages": request["stages"]}
    made = triton.compile(source, target=GPUTarget("cuda", request["arch"], 32), options=options)
    return made.asm["ptx"], made.metadata.shared


if __name__ == "__main__":
    print(json.dumps([compiled(request) for request in json.load(sys.stdin)]))
