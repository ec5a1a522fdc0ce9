"""The process behind :mod:`course.kernels.triton.compile`: requests come in as JSON, PTX goes out."""

from __future__ import annotations

import json
import sys

import triton
import triton.language as tl
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from course.kernels.triton.backward import keys_and_values, queries_and_bias
from course.kernels.triton.forward import forward

KERNELS = {
    "forward": forward,
    "keys_and_values": keys_and_values,
    "queries_and_bias": queries_and_bias,
}
EXTRAS = ("mask", "bias", "dbias")
WIDE = ("lse", "mean", "dbias")
ALIGNED = [["tt.divisibility", 16]]
"""Addresses and strides are multiples of 16, as those of torch's tensors usually are."""


def compiled(request: dict) -> tuple[str, int]:
    """The PTX of one kernel, and its bytes of shared memory."""
    kernel, constants = KERNELS[request["kernel"]], _constants(request)
    signature, attributes = {}, {}
    for at, name in enumerate(kernel.arg_names):
        if name in constants:
            signature[name] = "constexpr"
        elif name in ("mask_strides", "bias_strides"):
            signature[name] = ("i64",) * 4
        elif name.endswith("_strides"):
            signature[name] = ("i64", "i64", "i64", "constexpr")
            constants[at, 3] = 1
            attributes |= {(at, axis): ALIGNED for axis in range(3)}
        elif name.startswith(("n_", "group")):
            signature[name] = "i32"
        elif name == "scale":
            signature[name] = "fp32"
        else:
            signature[name] = _pointer(name, request)
            attributes[at,] = ALIGNED
    constants = {
        key: value
        for key, value in constants.items()
        if key in signature or isinstance(key, tuple)
    }
    source = ASTSource(kernel, signature, constants, attributes)
    options = {"num_warps": request["warps"], "num_stages": request["stages"]}
    made = triton.compile(
        source, target=GPUTarget("cuda", request["arch"], 32), options=options
    )
    return made.asm["ptx"], made.metadata.shared


def _constants(request: dict) -> dict:
    width = request["width"]
    padded = max(16, triton.next_power_of_2(width))
    return {
        "D_K": width, "D_V": width, "PAD_K": padded, "PAD_V": padded, "CAUSAL": request["causal"],
        "PRECISION": "ieee", "WIDE": tl.float64 if request["dtype"] == "float64" else tl.float32,
        "BLOCK_Q": request["tile"][0], "BLOCK_K": request["tile"][1],
        **({} if request["extras"] else dict.fromkeys(EXTRAS)),
    }  # fmt: skip


def _pointer(name: str, request: dict) -> str:
    if name == "mask":
        return "*u8"
    narrow = request["numbers"]
    return "*" + (("fp64" if narrow == "fp64" else "fp32") if name in WIDE else narrow)


if __name__ == "__main__":
    print(json.dumps([compiled(request) for request in json.load(sys.stdin)]))
