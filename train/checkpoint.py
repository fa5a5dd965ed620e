"""Reads checkpoints that hold whole pickled models, without the code that they were made by.

The file is a pickle: it is read with an unpickler that makes tensors and empty shells of unknown classes, and runs no code
from it.
"""

import pickle
import types
from pathlib import Path

import torch
from torch import nn


class _Shell(nn.Module):
    """Stands for a class of the authors' code: it holds parameters, buffers and children, and can do nothing."""

    def __init__(self, *_: object, **__: object):
        super().__init__()


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        if module == "collections" and name == "OrderedDict":
            return super().find_class(module, name)
        if module in ("builtins", "__builtin__") and name == "set":
            # Modules hold the names of buffers that are not saved in one.
            return set
        if module == "torch._utils" and name in ("_rebuild_tensor_v2", "_rebuild_parameter"):
            return super().find_class(module, name)
        if module == "torch" and name.endswith(("Storage", "Size", "float16", "float32", "int64")):
            return super().find_class(module, name)
        if module.startswith("torch.nn.modules"):
            return super().find_class(module, name)
        return _Shell


def read_model(path: Path) -> nn.Module:
    """The model in the file, its averaged weights where it has any: its parameters, buffers and plain attributes."""
    shells = types.ModuleType("shells")
    shells.Unpickler = _Unpickler
    shells.load = lambda file, **_: _Unpickler(file).load()
    checkpoint = torch.load(path, map_location="cpu", weights_only=False, pickle_module=shells)
    return checkpoint.get("ema") or checkpoint["model"] if isinstance(checkpoint, dict) else checkpoint
