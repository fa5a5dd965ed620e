"""Makes e2e/fixtures/quant: random blocks of each storage format, and what the `gguf` package decodes them to.

    pip install gguf numpy
    python scripts/make_quant_fixtures.py
"""

import json
from pathlib import Path

import gguf
import numpy as np

OUT = Path(__file__).parent.parent / "e2e" / "fixtures" / "quant"
NAMES = ["F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL"]
ELEMENTS = 1536


def blocks(random: np.random.Generator, kind: gguf.GGMLQuantizationType) -> np.ndarray:
    """Random bytes whose weights are ordinary numbers: drawn anew block by block until they are."""
    size, block_bytes = gguf.GGML_QUANT_SIZES[kind]
    rows = []
    for _ in range(ELEMENTS // size):
        while True:
            raw = random.integers(0, 256, block_bytes, dtype=np.uint8)
            weights = decode(raw, kind)
            if np.isfinite(weights).all() and 1e-3 < np.abs(weights).max() < 100:
                rows.append(raw)
                break
    return np.concatenate(rows)


def decode(raw: np.ndarray, kind: gguf.GGMLQuantizationType) -> np.ndarray:
    with np.errstate(all="ignore"):
        if kind.name in ("F32", "F16"):
            return raw.view(np.float32 if kind.name == "F32" else np.float16).astype(np.float32)
        return gguf.quants.dequantize(raw, kind).astype(np.float32)


def quantizer_input(random: np.random.Generator) -> np.ndarray:
    """Ordinary weights of several magnitudes, then the corners: zeros, one outlier, and every number's ties and their neighbours."""
    ordinary = random.standard_normal((16, 32)) * 10.0 ** random.integers(-6, 4, (16, 1))
    zeros = np.zeros((1, 32))
    outlier = np.where(np.arange(32) == 5, 3000.0, random.standard_normal(32))[None]
    ties = np.arange(32, dtype=np.float32).reshape(1, 32) / 2 - 8  # The scale of Q4_0 is 1 here: -8, -7.5, ...
    near = [np.nextafter(ties, np.float32(sign * 9)) for sign in (-1, 1)]
    for block in near:
        block[0, 0] = -8
    return np.concatenate([ordinary, zeros, outlier, ties, *near, *q8_ties(random)]).astype(np.float32).ravel()


def q8_ties(random: np.random.Generator) -> list[np.ndarray]:
    """Blocks whose weights are as near as they can be to k + 1/2 times the scale: there single precision decides the rounding."""
    blocks = []
    for largest in random.uniform(0.1, 10, 8).astype(np.float32):
        inverse = np.float32(1) / (largest / np.float32(127))
        block = ((random.permutation(127)[:32] + 0.5) / np.float64(inverse)).astype(np.float32)
        block[0] = largest
        blocks.append(block[None])
    return blocks


def main() -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(2026)
    for name in NAMES:
        kind = gguf.GGMLQuantizationType[name]
        raw = blocks(random, kind)
        raw.tofile(OUT / f"{name.lower()}.blocks.bin")
        decode(raw, kind).tofile(OUT / f"{name.lower()}.weights.bin")
    weights = quantizer_input(random)
    weights.tofile(OUT / "quantize.weights.bin")
    for name in ("Q4_0", "Q8_0"):
        gguf.quants.quantize(weights, gguf.GGMLQuantizationType[name]).tofile(OUT / f"quantize.{name.lower()}.bin")
    (OUT / "formats.json").write_text(json.dumps([name.lower() for name in NAMES]) + "\n")


if __name__ == "__main__":
    main()
