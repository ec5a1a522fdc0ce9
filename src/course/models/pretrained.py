"""Weights in and out: models of Hugging Face's transformers under our names, and ours under theirs.

How the families call their settings and parameters is written in `pretrained.toml`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from importlib import resources
from typing import Any

import torch
from torch import Tensor, nn

from course.blocks import Configuration
from course.models.bert import BERT, bert
from course.models.gpt import GPT, gpt2
from course.models.llama import llama
from course.models.t5 import t5
from course.models.transformer import Transformer

ACTIVATIONS = {"relu": "relu", "gelu": "gelu", "gelu_new": "gelu_tanh", "silu": "silu"}
MODELS = {"BERT": BERT, "GPT": GPT, "Transformer": Transformer}
FAMILIES: dict[str, Callable[..., Configuration]] = {
    "bert": bert,
    "gpt2": gpt2,
    "llama": llama,
    "t5": t5,
}


def load(config: Any, state: dict[str, Tensor]) -> nn.Module:
    """Make our model with their weights.

    Args:
        config: Their configuration, ``model.config``; its ``model_type`` is bert, gpt2, llama or t5.
        state: Their weights, ``model.state_dict()``.

    Returns:
        A model in evaluation mode, of the dtype of their weights.

    Raises:
        KeyError: A weight is missing.
        ValueError: The family or one of its settings has no counterpart here, or a shape does not fit.
    """
    model = MODELS[_family(config.model_type)["model"]](configuration(config))
    model.to(next(iter(state.values())).dtype)
    copy_weights(model, state, config.model_type)
    return model.eval()


def copy_weights(model: nn.Module, state: dict[str, Tensor], model_type: str) -> None:
    """Copy their weights into our model.

    Args:
        model: Ours; for the types torch_encoder and torch_decoder a :class:`course.blocks.Stack` or a block.
        state: Theirs.
        model_type: Their name of the family.

    Raises:
        KeyError: A weight is missing.
        ValueError: The family is unknown, or a weight has another shape.
    """
    family = _family(model_type)
    for name, ours in _grouped(model, family).items():
        if name not in state:
            raise KeyError(f"load: the weights lack {name}.")
        weight = state[name].T if re.search(family["transposed"], name) else state[name]
        expected = (sum(len(part) for part in ours), *ours[0].shape[1:])
        if weight.shape != expected:
            raise ValueError(
                f"load: {name} must be {expected}, but is {tuple(weight.shape)}."
            )
        for part, piece in zip(
            ours, weight.split([len(part) for part in ours]), strict=True
        ):
            part.data.copy_(piece)


def export(model: nn.Module, model_type: str) -> dict[str, Tensor]:
    """Return a copy of our weights under their names, for their ``load_state_dict``.

    Args:
        model: A model of ours.
        model_type: Their name of the family: bert, gpt2, llama or t5.

    Raises:
        ValueError: The family is unknown.
    """
    family = _family(model_type)
    state = {}
    for name, ours in _grouped(model, family).items():
        weight = torch.cat([part.detach() for part in ours])
        state[name] = (
            weight.T.contiguous() if re.search(family["transposed"], name) else weight
        )
    return state | {
        copy: state[name].clone() for copy, name in family.get("copies", {}).items()
    }


def configuration(config: Any) -> Configuration:
    """Turn their configuration into ours.

    Raises:
        ValueError: A setting has no counterpart here.
    """
    family = _family(config.model_type)
    required = dict(family["required"])
    if config.model_type == "t5":
        required["num_decoder_layers"] = config.num_layers
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


def first_difference(
    ours: nn.Module,
    theirs: nn.Module,
    run: Callable[[nn.Module], Any],
    model_type: str,
    bound: float = 1e-5,
) -> str | None:
    """Run both models and name the first layer that differs, or None if none does.

    Args:
        ours: Our model.
        theirs: Theirs, which should compute the same.
        run: Called with each model; gives it the same input.
        model_type: Their name of the family.
        bound: The largest difference between two entries that passes.

    Returns:
        A sentence with the names of the layer here and there, and by how much it differs.
    """
    family = _family(model_type)
    pairs = {
        name: their
        for name, _ in ours.named_modules()
        if (their := _theirs(name, family, ours)) != name
    }
    found = _outputs(theirs, set(pairs.values()), run)
    for name, output in _outputs(ours, set(pairs), run).items():
        other = found.get(pairs[name])
        if other is None or other.shape != output.shape:
            continue
        difference = (output - other).abs().max().item()
        if not difference <= bound:
            return f"{name} ({pairs[name]}) is the first layer that differs, by {difference:.1e}."
    return None


def _outputs(
    model: nn.Module, names: set[str], run: Callable[[nn.Module], Any]
) -> dict[str, Tensor]:
    """What the named modules of a model give, in the order in which they run."""
    found: dict[str, Tensor] = {}

    def keep(name: str) -> Callable:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            found[name] = (output if isinstance(output, Tensor) else output[0]).detach()

        return hook

    hooks = [
        m.register_forward_hook(keep(name))
        for name, m in model.named_modules()
        if name in names
    ]
    try:
        with torch.no_grad():
            run(model)
    finally:
        for hook in hooks:
            hook.remove()
    return found


@cache
def _families() -> dict[str, dict[str, Any]]:
    return tomllib.loads(
        resources.files("course.models").joinpath("pretrained.toml").read_text("utf-8")
    )


def _family(model_type: str) -> dict[str, Any]:
    if model_type not in _families():
        raise ValueError(
            f"model_type must be one of {', '.join(_families())}, but is {model_type!r}."
        )
    return _families()[model_type]


def _theirs(name: str, family: dict[str, Any], model: nn.Module) -> str:
    """Turn our name of a parameter or of a module into theirs."""
    for pattern, replacement in family["names"].items():
        name = re.sub(pattern, replacement, name)
    # T5 numbers its first projections only where there are two of them.
    return (
        name
        if model.config.gated
        else name.replace("DenseReluDense.wi_1", "DenseReluDense.wi")
    )


def _grouped(model: nn.Module, family: dict[str, Any]) -> dict[str, list[Tensor]]:
    """Their names, each with our parameters whose rows it joins."""
    groups: dict[str, list[Tensor]] = {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        groups.setdefault(_theirs(name, family, model), []).append(tensor)
    return groups
