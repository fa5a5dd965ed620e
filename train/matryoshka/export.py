"""Adds bases and widths to a GGUF file, which keeps everything else as it is.

    python export.py MODEL.gguf OUT/basis.npz RESULT.gguf

The keys and tensors: docs/adr/0012-matryoshka-kv.md. Reads the result back and fails where anything else has changed.
"""

import argparse
from pathlib import Path

import gguf
import numpy as np

from gguf_copy import begin_copy, check_keys, end_copy
from train import BUDGETS, percent

KEYS = "vitrail.matryoshka."
"""Earlier ones of the file are replaced."""
MAX_BASIS_ERROR = 5e-3
"""Largest deviation of a basis in half precision from an orthogonal one."""


def is_basis(name: str) -> bool:
    return name.endswith(("attn_k_basis.weight", "attn_v_basis.weight", "attn_v_mean.weight"))


def export(source: Path, found: dict[str, np.ndarray], target: Path) -> None:
    reader = gguf.GGUFReader(source)
    writer = begin_copy(reader, target, KEYS)
    dim = found["mkv_vectors"].shape[-1]
    writer.add_key_value(f"{KEYS}budgets", BUDGETS, gguf.GGUFValueType.ARRAY, gguf.GGUFValueType.FLOAT32)
    for budget in BUDGETS:
        widths = (found[f"mkv_widths_{percent(budget)}"].astype(np.int64) * (dim // 8)).flatten().tolist()
        key = f"{KEYS}widths.{percent(budget)}"
        writer.add_key_value(key, widths, gguf.GGUFValueType.ARRAY, gguf.GGUFValueType.UINT32)
    for tensor in reader.tensors:
        if not is_basis(tensor.name):
            writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    for layer, (vectors, mean) in enumerate(zip(found["mkv_vectors"], found["mkv_mean"], strict=True)):
        for part, basis in zip("kv", vectors, strict=True):
            writer.add_tensor(f"blk.{layer}.attn_{part}_basis.weight", np.ascontiguousarray(basis.astype(np.float16)))
        writer.add_tensor(f"blk.{layer}.attn_v_mean.weight", np.ascontiguousarray(mean.astype(np.float32)))
    end_copy(writer)


def check(source: Path, target: Path) -> float:
    """Largest deviation of a basis from an orthogonal one; fails where a key or tensor of the source is not in the target as it was."""
    before, after = gguf.GGUFReader(source), gguf.GGUFReader(target)
    check_keys(before, after, KEYS)
    tensors = {tensor.name: tensor for tensor in after.tensors}
    for tensor in before.tensors:
        if not is_basis(tensor.name) and not np.array_equal(tensors[tensor.name].data, tensor.data):
            raise SystemExit(f"the tensor {tensor.name} changed")
    bases = [tensor.data.astype(np.float64) for tensor in after.tensors if tensor.name.endswith("_basis.weight")]
    return max(np.abs(basis @ basis.swapaxes(-1, -2) - np.eye(basis.shape[-1])).max() for basis in bases)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ["model", "basis", "out"]:
        parser.add_argument(name, type=Path)
    arguments = parser.parse_args()
    with np.load(arguments.basis) as found:
        export(arguments.model, dict(found), arguments.out)
    error = check(arguments.model, arguments.out)
    print(f"{arguments.out.name}: {arguments.out.stat().st_size:,} bytes, bases orthogonal to {error:.1g}")
    if error > MAX_BASIS_ERROR:
        raise SystemExit(f"expected at most {MAX_BASIS_ERROR}")


if __name__ == "__main__":
    main()
