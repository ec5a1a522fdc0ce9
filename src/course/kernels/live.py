"""How many bytes of tensors are alive at once while something runs."""

from __future__ import annotations

from typing import Any

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of tensors that are made and still alive after each operation.

    Only tensors made inside count, each storage once, views not at all. What an operation needs inside itself
    and gives back before it ends is not seen.

    Attributes:
        most: The largest number of bytes alive at once.
    """

    def __enter__(self) -> LiveBytes:
        self.most = 0
        self._alive: dict[int, tuple[StorageWeakRef, int]] = {}
        super().__enter__()
        return self

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        given = {
            _storage(x).data_ptr()
            for x in tree_leaves((args, kwargs))
            if isinstance(x, torch.Tensor)
        }
        out = function(*args, **(kwargs or {}))
        self._alive = {
            at: (ref, size) for at, (ref, size) in self._alive.items() if not ref.expired()
        }
        for x in tree_leaves(out):
            if isinstance(x, torch.Tensor) and _storage(x).data_ptr() not in given:
                storage = _storage(x)
                self._alive[storage.data_ptr()] = StorageWeakRef(storage), storage.nbytes()
        self.most = max(self.most, sum(size for _, size in self._alive.values()))
        return out


def _storage(x: torch.Tensor) -> torch.UntypedStorage:
    return x.untyped_storage()
