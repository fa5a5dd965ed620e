"""Writes a GGUF file tuned for narrow caches: weights, bases of keys and widths from train.py, everything else as it is.

    python export.py MODEL.gguf OUT RESULT.gguf

OUT is the folder that train.py wrote. Tensors stay in the form that they have. The keys and tensors:
docs/adr/0012-matryoshka-kv.md. Reads the result back and fails where anything else changed.
"""

import argparse
from pathlib import Path

import gguf
import numpy as np

from budgets import BUDGETS, percent
from gguf_copy import begin_copy, check_keys, end_copy

KEYS = "vitrail.matryoshka."
"""Earlier ones of the file are replaced."""
NARROWING = ("attn_k_basis.weight", "attn_v_basis.weight", "attn_v_mean.weight")
"""So are tensors that end with these."""
MAX_BASIS_ERROR = 5e-3
"""Largest deviation of a basis in half precision from an orthogonal one."""
EIGHTHS = 8
TEMPERATURE = "general.sampling.temp"
"""llama.cpp's key of what a file recommends."""


def export(source: Path, tensors: dict[str, np.ndarray], widths: dict[str, np.ndarray], temperature: float | None, target: Path) -> None:
    reader = gguf.GGUFReader(source)
    writer = begin_copy(reader, target, KEYS)
    dim = tensors["blk.0.attn_k_basis.weight"].shape[-1]
    if temperature is not None:
        writer.add_key_value(TEMPERATURE, temperature, gguf.GGUFValueType.FLOAT32)
    writer.add_key_value(f"{KEYS}budgets", BUDGETS, gguf.GGUFValueType.ARRAY, gguf.GGUFValueType.FLOAT32)
    for budget in BUDGETS:
        own = (widths[f"widths_{percent(budget)}"].astype(np.int64) * (dim // EIGHTHS)).flatten().tolist()
        writer.add_key_value(f"{KEYS}widths.{percent(budget)}", own, gguf.GGUFValueType.ARRAY, gguf.GGUFValueType.UINT32)
    for tensor in reader.tensors:
        if tensor.name.endswith(NARROWING):
            continue
        tuned = tensors.get(tensor.name)
        if tuned is None:
            writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
        else:
            is_rounded = tuned.dtype == np.uint8
            writer.add_tensor(tensor.name, tuned, raw_dtype=tensor.tensor_type if is_rounded else None)
    for name, tensor in tensors.items():
        if name.endswith(NARROWING):
            writer.add_tensor(name, tensor)
    end_copy(writer)


def check(source: Path, tensors: dict[str, np.ndarray], target: Path) -> float:
    """Largest deviation of a basis from an orthogonal one; fails where a key or tensor is not what it should be."""
    before, after = gguf.GGUFReader(source), gguf.GGUFReader(target)
    check_keys(before, after, KEYS)
    kept = {tensor.name: tensor.data for tensor in before.tensors if not tensor.name.endswith(NARROWING)}
    wanted, found = kept | tensors, {tensor.name: tensor.data for tensor in after.tensors}
    for name in wanted.keys() | found.keys():
        if not np.array_equal(found[name], wanted[name]):
            raise SystemExit(f"the tensor {name} is not what it should be")
    bases = [basis.astype(np.float64) for name, basis in found.items() if name.endswith("_basis.weight")]
    return max(np.abs(basis @ basis.swapaxes(-1, -2) - np.eye(basis.shape[-1])).max() for basis in bases)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ["model", "tuned", "out"]:
        parser.add_argument(name, type=Path)
    parser.add_argument("--temperature", type=float, help="that the file recommends")
    arguments = parser.parse_args()
    with np.load(arguments.tuned / "tensors.npz") as tensors, np.load(arguments.tuned / "widths.npz") as widths:
        found = dict(tensors)
        export(arguments.model, found, dict(widths), arguments.temperature, arguments.out)
    error = check(arguments.model, found, arguments.out)
    print(f"{arguments.out.name}: {arguments.out.stat().st_size:,} bytes, bases orthogonal to {error:.1g}")
    if error > MAX_BASIS_ERROR:
        raise SystemExit(f"expected at most {MAX_BASIS_ERROR}")


if __name__ == "__main__":
    main()
