"""Adds bases of keys and widths to a GGUF file, and turns its values into their bases; keeps everything else as it is.

    python export.py MODEL.gguf OUT/basis.npz DATA.npz RESULT.gguf

DATA is from prepare.py: what the weights around the values are rounded for (fold.py). Those of a file in Q4_0 stay in it; of any other, all of
attention's weights become Q8_0. The keys and tensors: docs/adr/0012-matryoshka-kv.md. Reads the result back and fails where anything else changed.
"""

import argparse
from pathlib import Path

import gguf
import numpy as np

from budgets import BUDGETS, percent
from fold import folded, orthogonal, q4_0
from gguf_copy import begin_copy, check_keys, end_copy

KEYS = "vitrail.matryoshka."
"""Earlier ones of the file are replaced."""
MAX_BASIS_ERROR = 5e-3
"""Largest deviation of a basis in half precision from an orthogonal one."""
WINDOWS, LENGTH = 40, 1024
"""Of the training text that weights are rounded for."""
Q4_0, Q8_0 = gguf.GGMLQuantizationType.Q4_0, gguf.GGMLQuantizationType.Q8_0


def is_basis(name: str) -> bool:
    return name.endswith(("attn_k_basis.weight", "attn_v_basis.weight", "attn_v_mean.weight"))


def is_attention(name: str) -> bool:
    return name.endswith(("attn_q.weight", "attn_k.weight", "attn_v.weight", "attn_output.weight"))


def is_folded(tensor: gguf.ReaderTensor) -> bool:
    changed = ("attn_v.weight", "attn_output.weight") if tensor.tensor_type == Q4_0 else ("",)
    return is_attention(tensor.name) and tensor.name.endswith(changed)


def export(source: Path, found: dict[str, np.ndarray], windows: np.ndarray, target: Path) -> None:
    reader = gguf.GGUFReader(source)
    writer = begin_copy(reader, target, KEYS)
    keys, values = found["mkv_vectors"].swapaxes(0, 1)
    values, dim = orthogonal(values), keys.shape[-1]
    writer.add_key_value(f"{KEYS}budgets", BUDGETS, gguf.GGUFValueType.ARRAY, gguf.GGUFValueType.FLOAT32)
    for budget in BUDGETS:
        widths = (found[f"mkv_widths_{percent(budget)}"].astype(np.int64) * (dim // 8)).flatten().tolist()
        key = f"{KEYS}widths.{percent(budget)}"
        writer.add_key_value(key, widths, gguf.GGUFValueType.ARRAY, gguf.GGUFValueType.UINT32)
    weights = folded(source, values, windows)
    for tensor in reader.tensors:
        if is_basis(tensor.name):
            continue
        if not is_folded(tensor):
            writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
        elif tensor.tensor_type == Q4_0:
            writer.add_tensor(tensor.name, q4_0(*weights[tensor.name]), raw_dtype=Q4_0)
        else:
            plain = weights.get(tensor.name, (gguf.dequantize(tensor.data, tensor.tensor_type),))[0]
            writer.add_tensor(tensor.name, gguf.quantize(plain.astype(np.float32), Q8_0), raw_dtype=Q8_0)
    for layer, (basis, own, mean) in enumerate(zip(keys, values, found["mkv_mean"], strict=True)):
        writer.add_tensor(f"blk.{layer}.attn_k_basis.weight", np.ascontiguousarray(basis.astype(np.float16)))
        means = np.einsum("kjd,kd->kj", own, mean)
        writer.add_tensor(f"blk.{layer}.attn_v_mean.weight", np.ascontiguousarray(means.astype(np.float32)))
    end_copy(writer)


def check(source: Path, target: Path) -> float:
    """Largest deviation of a basis from an orthogonal one; fails where a key or tensor of the source is not in the target as it was."""
    before, after = gguf.GGUFReader(source), gguf.GGUFReader(target)
    check_keys(before, after, KEYS)
    tensors = {tensor.name: tensor for tensor in after.tensors}
    for tensor in before.tensors:
        changes = is_basis(tensor.name) or is_folded(tensor)
        if not changes and not np.array_equal(tensors[tensor.name].data, tensor.data):
            raise SystemExit(f"the tensor {tensor.name} changed")
    bases = [tensor.data.astype(np.float64) for tensor in after.tensors if tensor.name.endswith("_basis.weight")]
    return max(np.abs(basis @ basis.swapaxes(-1, -2) - np.eye(basis.shape[-1])).max() for basis in bases)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ["model", "basis", "data", "out"]:
        parser.add_argument(name, type=Path)
    arguments = parser.parse_args()
    with np.load(arguments.basis) as found, np.load(arguments.data) as data:
        windows = data["training"][: WINDOWS * LENGTH].reshape(WINDOWS, LENGTH)
        export(arguments.model, dict(found), windows, arguments.out)
    error = check(arguments.model, arguments.out)
    print(f"{arguments.out.name}: {arguments.out.stat().st_size:,} bytes, bases orthogonal to {error:.1g}")
    if error > MAX_BASIS_ERROR:
        raise SystemExit(f"expected at most {MAX_BASIS_ERROR}")


if __name__ == "__main__":
    main()
