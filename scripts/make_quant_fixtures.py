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
ELEMENTS = 512


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


def main() -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(2026)
    for name in NAMES:
        kind = gguf.GGMLQuantizationType[name]
        raw = blocks(random, kind)
        raw.tofile(OUT / f"{name.lower()}.blocks.bin")
        decode(raw, kind).tofile(OUT / f"{name.lower()}.weights.bin")
    weights = (random.standard_normal(ELEMENTS) * 0.1).astype(np.float32)
    weights.tofile(OUT / "quantize.weights.bin")
    for name in ("Q4_0", "Q8_0"):
        gguf.quants.quantize(weights, gguf.GGMLQuantizationType[name]).tofile(OUT / f"quantize.{name.lower()}.bin")
    (OUT / "formats.json").write_text(json.dumps([name.lower() for name in NAMES]) + "\n")


if __name__ == "__main__":
    main()
