"""Averages the weights of files of one model, tuned one from the other, into one: it keeps most of what each of them can (arXiv 2203.05482).

    python average.py OUT PLAIN.gguf 0.15 EARLIER.gguf 0.45 LAST.gguf 0.4

OUT gets tensors.npz and widths.npz, for export.py. Bases of keys and widths are those of the last file; the others' values are turned into its bases.
"""

import sys
from pathlib import Path

import numpy as np
import torch

from basis import in_values_of, of_file
from budgets import percent
from llama import Llama
from rounding import packed


def main() -> None:
    out, paths, shares = Path(sys.argv[1]), [Path(path) for path in sys.argv[2::2]], [float(share) for share in sys.argv[3::2]]
    *others, last = [Llama(path, torch.device("cpu"), torch.float32) for path in paths]
    parts = [*(other.weights | in_values_of(last, other) for other in others), last.weights]
    bases, widths = of_file(paths[-1], last)
    tensors: dict[str, np.ndarray] = {}
    for name in last.weights:
        if "moh_" not in name:
            weight = sum(share * part[name] for share, part in zip(shares, parts, strict=True))
            tensors[name] = packed(weight, "Q4_0") if weight.ndim == 2 else weight.numpy()
    for layer, (basis, mean) in enumerate(zip(bases.keys.numpy(), bases.mean.numpy(), strict=True)):
        tensors[f"blk.{layer}.attn_k_basis.weight"] = basis.astype(np.float16)
        tensors[f"blk.{layer}.attn_v_mean.weight"] = mean
    out.mkdir(parents=True, exist_ok=True)
    np.savez(out / "tensors.npz", **tensors)
    np.savez(out / "widths.npz", **{f"widths_{percent(budget)}": own.numpy() for budget, own in widths.items()})


if __name__ == "__main__":
    main()
