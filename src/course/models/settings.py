"""Hugging Face's settings under our names; one that has no counterpart here is refused, never ignored."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from importlib import resources
from typing import Any

from course.blocks import Configuration
from course.models.bert import bert
from course.models.gpt import gpt2
from course.models.llama import llama
from course.models.t5 import t5

ACTIVATIONS = {"relu": "relu", "gelu": "gelu", "gelu_new": "gelu_tanh", "silu": "silu"}
FAMILIES: dict[str, Callable[..., Configuration]] = {
    "bert": bert,
    "gpt2": gpt2,
    "llama": llama,
    "t5": t5,
}


def configuration(config: Any) -> Configuration:
    """Turn their configuration into ours.

    Raises:
        ValueError: A setting has no counterpart here.
    """
    family = family_of(config.model_type)
    required = dict(family["required"])
    if config.model_type == "t5":
        required["num_decoder_layers"] = config.num_layers
    _refuse_unknown(config, {*family["settings"].values(), *required, *family["read"]})
    for name, value in required.items():
        if str(getattr(config, name)) != str(value):
            raise ValueError(
                f"load: {name} must be {value}, but is {getattr(config, name)}."
            )
    settings = {
        ours: getattr(config, theirs) for ours, theirs in family["settings"].items()
    }
    activation = settings["activation"]
    if activation not in ACTIVATIONS:
        raise ValueError(
            f"load: the activation must be one of {', '.join(ACTIVATIONS)}, but is {activation!r}."
        )
    settings["activation"] = ACTIVATIONS[activation]
    ours = FAMILIES[config.model_type](**settings)
    if config.model_type == "gpt2" and config.n_inner is not None:
        ours = replace(ours, d_ff=config.n_inner)
    if config.model_type == "llama":
        rotary = config.rope_parameters
        if rotary["rope_type"] != "default":
            raise ValueError(
                f"load: rope_type must be 'default', but is {rotary['rope_type']!r}."
            )
        ours = replace(ours, rotary_base=rotary["rope_theta"])
    if config.model_type == "t5" and not config.scale_decoder_outputs:
        ours = replace(ours, head_scale=1.0, tied=False)
    return ours


def family_of(model_type: str) -> dict[str, Any]:
    """What `pretrained.toml` says of a family.

    Raises:
        ValueError: It says nothing.
    """
    if model_type not in _families():
        known = ", ".join(name for name in _families() if name != "harmless")
        raise ValueError(f"model_type must be one of {known}, but is {model_type!r}.")
    return _families()[model_type]


def _refuse_unknown(config: Any, read: set[str]) -> None:
    """Refuse a setting that is neither read nor harmless, unless it has the value that it always has."""
    usual = type(config)().to_dict()
    for name, value in config.to_dict().items():
        if name in read or name in _families()["harmless"]["settings"]:
            continue
        if name not in usual or value != usual[name]:
            raise ValueError(
                f"load: the setting {name} = {value!r} has no counterpart here."
            )


@cache
def _families() -> dict[str, dict[str, Any]]:
    text = resources.files("course.models").joinpath("pretrained.toml").read_text("utf-8")
    return tomllib.loads(text)
