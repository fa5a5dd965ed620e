"""Puts tuned weights into a copy of a GGUF file, which keeps everything else as it is.

    python export.py MODEL.gguf RESULT.gguf OUT/tuned-0.npz OUT/tuned-1.npz

The keys: docs/adr/0010-mixture-of-heads.md. Reads the result back and fails where it is not what was put in.
"""

import argparse
import sys
from pathlib import Path

import gguf
import numpy as np

from student import ACTIVE_HEADS, SHARED_HEADS
from gguf_copy import begin_copy, check_keys, end_copy  # of ../matryoshka, which student.py puts on the path

KEYS = "vitrail.moh."


def export(source: Path, tuned: dict[str, np.ndarray], target: Path) -> None:
    reader = gguf.GGUFReader(source)
    unknown = tuned.keys() - {tensor.name for tensor in reader.tensors}
    if unknown:
        raise SystemExit(f"{source} has no {', '.join(sorted(unknown))}")
    writer = begin_copy(reader, target, KEYS)
    writer.add_string(f"{KEYS}router", "query-norm")
    writer.add_uint32(f"{KEYS}shared_heads", SHARED_HEADS)
    writer.add_uint32(f"{KEYS}active_heads", ACTIVE_HEADS)
    for tensor in reader.tensors:
        array = tuned.get(tensor.name)
        if array is None:
            writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
        elif array.dtype == np.uint8:
            writer.add_tensor(tensor.name, array, raw_dtype=gguf.GGMLQuantizationType.Q4_1)
        else:
            writer.add_tensor(tensor.name, array.astype(np.float32))
    end_copy(writer)


def check(source: Path, tuned: dict[str, np.ndarray], target: Path) -> None:
    before, after = gguf.GGUFReader(source), gguf.GGUFReader(target)
    check_keys(before, after, KEYS)
    tensors = {tensor.name: tensor for tensor in after.tensors}
    for tensor in before.tensors:
        own = tensors[tensor.name]
        if tuple(own.shape) != tuple(tensor.shape) or not np.array_equal(own.data, tuned.get(tensor.name, tensor.data)):
            raise SystemExit(f"the tensor {tensor.name} is not what it should be")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("result", type=Path)
    parser.add_argument("tuned", type=Path, nargs="+")
    arguments = parser.parse_args()
    tuned: dict[str, np.ndarray] = {}
    for path in arguments.tuned:
        with np.load(path) as arrays:
            tuned |= dict(arrays)
    export(arguments.model, tuned, arguments.result)
    check(arguments.model, tuned, arguments.result)
    print(f"{arguments.result.name}: {arguments.result.stat().st_size:,} bytes, {len(tuned)} tensors tuned", file=sys.stderr)


if __name__ == "__main__":
    main()
