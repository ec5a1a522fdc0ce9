"""Weights in and out: models of Hugging Face's transformers under our names, and ours under theirs.

How the families call their settings and parameters is written in `pretrained.toml`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from course.models.bert import BERT
from course.models.gpt import GPT
from course.models.settings import configuration, family_of
from course.models.transformer import Transformer

MODELS = {"BERT": BERT, "GPT": GPT, "Transformer": Transformer}
DTYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16)


def load(config: Any, state: dict[str, Tensor]) -> nn.Module:
    """Make our model with their weights.

    Args:
        config: Their configuration, ``model.config``; its ``model_type`` is bert, gpt2, llama or t5.
        state: Their weights, ``model.state_dict()``.

    Returns:
        A model in evaluation mode, of the widest dtype among their weights.

    Raises:
        KeyError: A weight is missing.
        ValueError: The family, a setting or a weight has no counterpart here, or a shape does not fit.
    """
    family = family_of(config.model_type)
    model = MODELS[family["model"]](configuration(config))
    used = [state[name].dtype for name in _grouped(model, family) if name in state]
    known = [dtype for dtype in used if dtype in DTYPES]
    dtype = max(known, key=lambda dtype: torch.finfo(dtype).bits, default=torch.float32)
    if config.model_type == "t5" and dtype == torch.float16:
        raise ValueError(
            "load: T5 overflows in float16, in the second layer of its feed-forward networks; "
            "give its weights in float32 or bfloat16."
        )
    model.to(dtype)
    copy_weights(model, state, config.model_type)
    return model.eval()


def copy_weights(model: nn.Module, state: dict[str, Tensor], model_type: str) -> None:
    """Copy their weights into our model. All of them must have a place in it.

    Args:
        model: Ours; for the types torch_encoder and torch_decoder a :class:`course.blocks.Stack` or a block.
        state: Theirs.
        model_type: Their name of the family.

    Raises:
        KeyError: A weight is missing.
        ValueError: The family is unknown, or a weight has another shape, is quantised, has no place in our
            model, or differs from the one that it is tied to.
    """
    family = family_of(model_type)
    groups = _grouped(model, family)
    copies = dict(family.get("copies", {}))
    for name, first in _tied(groups).items():
        # A file may hold the one, the other or both.
        copies[name] = first
        if name in state and first not in state:
            state = {first: state[name], **state}
        del groups[name]
    for name, ours in groups.items():
        if name not in state:
            raise KeyError(f"load: the weights lack {name}.")
        if state[name].dtype not in DTYPES:
            raise ValueError(
                f"load: {name} is {state[name].dtype}; quantised weights have no counterpart here."
            )
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
    for name in state.keys() - groups.keys():
        if re.search(family.get("unused", "(?!)"), name):
            continue
        if name not in copies:
            raise ValueError(
                f"load: the weights hold {name}, which has no place in this model."
            )
        if not torch.equal(state[name], state[copies[name]]):
            raise ValueError(
                f"load: {name} differs from {copies[name]}, to which the settings tie it."
            )


def export(model: nn.Module, model_type: str) -> dict[str, Tensor]:
    """Return a copy of our weights under their names, for their ``load_state_dict``.

    Args:
        model: A model of ours.
        model_type: Their name of the family: bert, gpt2, llama or t5.

    Raises:
        ValueError: The family is unknown.
    """
    family = family_of(model_type)
    state = {}
    for name, ours in _grouped(model, family).items():
        weight = torch.cat([part.detach() for part in ours])
        state[name] = (
            weight.T.contiguous() if re.search(family["transposed"], name) else weight
        )
    return state | {
        copy: state[name].clone() for copy, name in family.get("copies", {}).items()
    }


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
    family = family_of(model_type)
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


def _tied(groups: dict[str, list[Tensor]]) -> dict[str, str]:
    """Of the names of one tensor of ours, all but the first, each with the first."""
    first: dict[int, str] = {}
    owners = {name: first.setdefault(id(ours[0]), name) for name, ours in groups.items()}
    return {name: owner for name, owner in owners.items() if name != owner}
