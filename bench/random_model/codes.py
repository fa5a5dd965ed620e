"""Random 4-bit weights that every engine can hold exactly.

A matrix [N, K] is N·K/32 blocks of 32 codes q in -7..7 and a scale; a weight is q·scale. A scale has eight significant bits, so that
q·scale is exact in half precision too. All matrices read one pool of blocks, each from its own place on, with the pool repeated as
often as needed: its length is a prime, so that rows do not repeat.
"""

import zlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

BLOCK = 32
POOL_BLOCKS = 262147
CODE_DEVIATION = np.sqrt((2 * (1 + 4 + 9 + 16 + 25 + 36 + 49)) / 15)


@dataclass(frozen=True)
class Matrix:
    """Rows × columns of random weights: blocks from `start` on, scales multiplied by 2^exponent."""

    rows: int
    columns: int
    start: int
    exponent: int

    @property
    def blocks(self) -> int:
        return self.rows * self.columns // BLOCK


class Pool:
    """The blocks of one seed, and what hangs on the seed."""

    def __init__(self, seed: int):
        generator = np.random.default_rng(seed)
        self.seed = seed
        # 1..15: what Q4_0 and MatMulNBits store, both subtract 8.
        self.codes = generator.integers(1, 16, (POOL_BLOCKS, BLOCK), dtype=np.uint8)
        # 128..255 / 128: eight significant bits, in [1, 2).
        self.scales = generator.integers(128, 256, POOL_BLOCKS).astype(np.float32) / 128

    def matrix(self, name: str, rows: int, columns: int, deviation: float) -> Matrix:
        """A matrix whose weights deviate by about `deviation`, to the nearest power of two."""
        exponent = int(np.round(np.log2(deviation / (CODE_DEVIATION * 1.5))))
        start = (zlib.crc32(name.encode()) + self.seed) % POOL_BLOCKS
        return Matrix(rows, columns, start, exponent)

    def vector(self, name: str, length: int, mean: float, deviation: float) -> np.ndarray:
        """Values that are exact in half precision, as float32: [length]."""
        generator = np.random.default_rng([self.seed, zlib.crc32(name.encode())])
        return (mean + deviation * generator.standard_normal(length)).astype(np.float16).astype(np.float32)

    def dense(self, matrix: Matrix, dtype: type) -> np.ndarray:
        """The weights themselves: [rows, columns]."""
        blocks = repeat_from((self.codes, self.scales), matrix)
        signed = blocks[0].astype(np.float32) - 8
        values = signed * (blocks[1] * 2.0**matrix.exponent)[:, None]
        return values.astype(dtype).reshape(matrix.rows, matrix.columns)

    @lru_cache(maxsize=8)
    def q4_0(self, exponent: int) -> np.ndarray:
        """The pool as GGUF's Q4_0: scale, then byte j holds code j and code j + 16. [POOL_BLOCKS, 18] bytes."""
        scales = (self.scales * 2.0**exponent).astype(np.float16)
        nibbles = self.codes[:, :16] | (self.codes[:, 16:] << 4)
        return np.concatenate([scales.view(np.uint8).reshape(-1, 2), nibbles], axis=1)

    @lru_cache(maxsize=1)
    def adjacent_nibbles(self) -> np.ndarray:
        """The pool as MatMulNBits has it: byte j holds codes 2j and 2j + 1. [POOL_BLOCKS, 16] bytes."""
        return self.codes[:, 0::2] | (self.codes[:, 1::2] << 4)


def repeat_from(pools: tuple[np.ndarray, ...], matrix: Matrix) -> tuple[np.ndarray, ...]:
    """The matrix's blocks of each pool, in order."""
    index = (np.arange(matrix.blocks) + matrix.start) % POOL_BLOCKS
    return tuple(pool[index] for pool in pools)


def block_runs(pool: np.ndarray, matrix: Matrix):
    """The matrix's blocks as slices of the pool: nothing is copied."""
    left, start = matrix.blocks, matrix.start
    while left > 0:
        count = min(left, POOL_BLOCKS - start)
        yield pool[start : start + count]
        left -= count
        start = 0
