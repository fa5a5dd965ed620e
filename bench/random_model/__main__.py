"""Writes a model of random weights, the same weights for each engine: seeded, so that a run can be repeated anywhere.

    python3 bench/random_model --shape smol135 --out FOLDER [--onnx] [--float f32] [--seed 1] [--context 16384]

FOLDER/<shape>.gguf is for Vitrail and llama.cpp; with --onnx also FOLDER/<shape>.onnx and .onnx.data for onnxruntime. Needs numpy only.
"""

import argparse
from pathlib import Path

import numpy as np

from gguf_file import write_gguf
from model import random_model
from onnx_file import write_onnx
from shapes import SHAPES


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=SHAPES, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--context", type=int, default=16384, help="at most this; less where the model has less")
    parser.add_argument("--onnx", action="store_true")
    parser.add_argument("--float", choices=["f16", "f32"], default="f16", help="activations of the ONNX model")
    parser.add_argument("--accuracy-level", type=int, default=4, help="of MatMulNBits: 4 allows int8 activations, 0 does not")
    options = parser.parse_args()
    shape = SHAPES[options.shape]
    context = min(options.context, shape.context)
    options.out.mkdir(parents=True, exist_ok=True)
    model = random_model(options.shape, shape, options.seed)
    write_gguf(options.out / f"{options.shape}.gguf", model, context)
    if options.onnx:
        dtype = {"f16": np.float16, "f32": np.float32}[options.float]
        write_onnx(options.out / f"{options.shape}.onnx", model, context, dtype, options.accuracy_level)


if __name__ == "__main__":
    main()
