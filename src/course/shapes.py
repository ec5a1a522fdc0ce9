"""Refuse bad input with one clear sentence, read from the annotations.

A public function states its shapes once, in its signature, as `jaxtyping` annotations; :func:`checked` turns
them into error messages that name the argument, what came and what was expected.
"""

from __future__ import annotations

import functools
import inspect
import math
import types
import typing
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import torch
from jaxtyping import AbstractArray
from torch import Tensor

Function = TypeVar("Function", bound=Callable)

POSITIVE = "positive"
Size = Annotated[int, POSITIVE]
"""An integer of at least one: a width, a length, a number of heads."""


def checked(function: Function) -> Function:
    """Check every annotated argument of `function` before it runs.

    * A tensor annotated ``Float[Tensor, "*batch query d_k"]`` must be a tensor of that kind of dtype with
      these axes, none of them empty. An axis named twice has one size; ``#axis`` may also be 1; ``*axes``
      stands for any number of axes. All tensors lie on one device, those of the same kind share one dtype.
    * A `Size` is an integer of at least one, a `float` is a finite number, a `bool` is a bool.
    * ``X | None`` also takes None. Other annotations are left alone.

    Raises:
        TypeError: An argument is of the wrong type or dtype.
        ValueError: A shape, a device or a value does not fit.
    """
    signature = inspect.signature(function)
    name = function.__qualname__.removesuffix(".__init__").removesuffix(".forward")
    checks = {
        argument: check
        for argument, hint in typing.get_type_hints(function, include_extras=True).items()
        if argument in signature.parameters and (check := _check_for(hint))
    }

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(*args, **kwargs)
        seen = _Seen(name)
        for argument, value in bound.arguments.items():
            if argument in checks:
                checks[argument](seen, argument, value)
        return function(*args, **kwargs)

    return wrapper  # type: ignore[return-value]


class _Seen:
    """What the arguments of one call have fixed so far: sizes of axes, the device, dtypes."""

    def __init__(self, function: str) -> None:
        self.function = function
        self.sizes: dict[str, tuple[Any, str]] = {}
        self.device: tuple[torch.device, str] | None = None
        self.dtypes: dict[tuple[str, ...], tuple[torch.dtype, str]] = {}

    def refuse(self, kind: type[Exception], sentence: str) -> typing.NoReturn:
        raise kind(f"{self.function}: {sentence}")


def _check_for(hint: Any) -> Callable[[_Seen, str, Any], None] | None:
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        options = [
            option for option in typing.get_args(hint) if option is not types.NoneType
        ]
        check = _check_for(options[0]) if len(options) == 1 else None
        return check and (
            lambda seen, argument, value: (
                None if value is None else check(seen, argument, value)
            )
        )
    if (
        isinstance(hint, type)
        and issubclass(hint, AbstractArray)
        and issubclass(hint.array_type, Tensor)
    ):
        return functools.partial(_check_tensor, hint)
    if typing.get_origin(hint) is Annotated and POSITIVE in hint.__metadata__:
        return _check_size
    return {float: _check_float, bool: _check_bool}.get(hint)


def _check_optional(check: Callable, seen: _Seen, argument: str, value: Any) -> None:
    if value is not None:
        check(seen, argument, value)


def _check_size(seen: _Seen, argument: str, value: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        seen.refuse(
            TypeError, f"{argument} must be a positive integer, but got {_name_of(value)}."
        )
    if value < 1:
        seen.refuse(ValueError, f"{argument} must be a positive integer, but got {value}.")


def _check_float(seen: _Seen, argument: str, value: Any) -> None:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        seen.refuse(TypeError, f"{argument} must be a number, but got {_name_of(value)}.")
    if not math.isfinite(value):
        seen.refuse(ValueError, f"{argument} must be a finite number, but got {value}.")


def _check_bool(seen: _Seen, argument: str, value: Any) -> None:
    if not isinstance(value, bool):
        seen.refuse(
            TypeError, f"{argument} must be True or False, but got {_name_of(value)}."
        )


def _check_tensor(hint: Any, seen: _Seen, argument: str, value: Any) -> None:
    if not isinstance(value, Tensor):
        seen.refuse(
            TypeError, f"{argument} must be a torch.Tensor, but got {_name_of(value)}."
        )
    kinds = hint.dtypes if isinstance(hint.dtypes, (list, tuple)) else ()
    dtype = str(value.dtype).removeprefix("torch.")
    if kinds and not any(dtype == kind for kind in kinds):
        kind = hint.__name__.partition("[")[0].lower()
        article = "an" if kind[0] in "aeiou" else "a"
        seen.refuse(
            TypeError,
            f"{argument} must be {article} {kind} tensor, but its dtype is {value.dtype}.",
        )
    expected, other = seen.dtypes.setdefault(tuple(kinds), (value.dtype, argument))
    if kinds and value.dtype != expected:
        seen.refuse(
            TypeError,
            f"{argument} is {value.dtype}, but {other} is {expected}; use one dtype.",
        )
    if seen.device is None:
        seen.device = (value.device, argument)
    elif value.device != seen.device[0]:
        device, other = seen.device
        seen.refuse(
            ValueError,
            f"{argument} is on {value.device}, but {other} is on {device}; use one device.",
        )
    _check_shape(seen, argument, tuple(value.shape), hint.dim_str.split())


def _check_shape(
    seen: _Seen, argument: str, shape: tuple[int, ...], axes: list[str]
) -> None:
    variadic = next((i for i, axis in enumerate(axes) if axis.startswith("*")), None)
    n_fixed = len(axes) - (variadic is not None)
    if len(shape) < n_fixed or (variadic is None and len(shape) != n_fixed):
        wanted = (
            "at least " * (variadic is not None)
            + f"{n_fixed} {'axis' if n_fixed == 1 else 'axes'}"
        )
        seen.refuse(
            ValueError,
            f"{argument} must have {wanted}, ({', '.join(axes)}), but its shape is {shape}.",
        )
    if 0 in shape:
        seen.refuse(ValueError, f"{argument} must not be empty, but its shape is {shape}.")
    sizes: list[Any] = list(shape)
    if variadic is not None:
        end = variadic + len(shape) - n_fixed
        sizes = [*shape[:variadic], shape[variadic:end], *shape[end:]]
    for axis, size in zip(axes, sizes, strict=True):
        label, broadcast = axis.lstrip("*#"), "#" in axis
        if label == "_":
            continue
        if label.isdecimal():
            expected, other = int(label), "the function"
        elif broadcast:
            expected, other = seen.sizes.get(label, (size, argument))
        else:
            expected, other = seen.sizes.setdefault(label, (size, argument))
        if size != expected and not (broadcast and _broadcasts(size, expected)):
            came = f"{argument} has {label} = {size} (its shape is {shape})"
            seen.refuse(ValueError, f"{came}, but {other} has {label} = {expected}.")


def _broadcasts(size: Any, target: Any) -> bool:
    """Whether an axis (or a tuple of axes) of `size` broadcasts to `target` without widening it."""
    sizes, targets = (s if isinstance(s, tuple) else (s,) for s in (size, target))
    if len(sizes) > len(targets):
        return False
    return all(
        s in (1, t) for s, t in zip(reversed(sizes), reversed(targets), strict=False)
    )


def _name_of(value: Any) -> str:
    """`value` with its type, short enough for a sentence."""
    text = repr(value)
    return f"{text if len(text) <= 40 else text[:37] + '…'} ({type(value).__name__})"
