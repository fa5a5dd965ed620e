"""A GGUF file as metadata and arrays: F32, F16, Q8_0, Q4_0 and Q4_1 dequantized to float32. NumPy alone, for hosts without the gguf package."""

import struct
from pathlib import Path

import numpy as np

NUMBERS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
STRING, ARRAY = 8, 9
F32, F16, Q4_0, Q4_1, Q8_0 = 0, 1, 2, 3, 8


class Reader:
    def __init__(self, data: np.ndarray) -> None:
        self.data, self.at = data, 0

    def take(self, form: str) -> int | float | bool:
        count = struct.calcsize(form)
        (value,) = struct.unpack(form, self.data[self.at : self.at + count].tobytes())
        self.at += count
        return value

    def text(self) -> str:
        count = self.take("<Q")
        text = self.data[self.at : self.at + count].tobytes().decode("utf8", "replace")
        self.at += count
        return text

    def value(self, kind: int):
        if kind == STRING:
            return self.text()
        if kind == ARRAY:
            element, count = self.take("<I"), self.take("<Q")
            return [self.value(element) for _ in range(count)]
        return self.take(NUMBERS[kind])


def read_gguf(path: Path | str) -> tuple[dict, dict[str, np.ndarray]]:
    data = np.memmap(path, dtype=np.uint8, mode="r")
    if data[:4].tobytes() != b"GGUF":
        raise ValueError(f"{path} is no GGUF file")
    reader = Reader(data)
    reader.at = 8
    tensors, keys = reader.take("<Q"), reader.take("<Q")
    metadata = {}
    for _ in range(keys):
        key = reader.text()
        metadata[key] = reader.value(reader.take("<I"))
    places = []
    for _ in range(tensors):
        name = reader.text()
        shape = [reader.take("<Q") for _ in range(reader.take("<I"))][::-1]
        places.append((name, shape, reader.take("<I"), reader.take("<Q")))
    alignment = metadata.get("general.alignment", 32)
    base = -(-reader.at // alignment) * alignment
    return metadata, {name: _dequantize(data, base + offset, kind, shape) for name, shape, kind, offset in places}


def _dequantize(data: np.ndarray, start: int, kind: int, shape: list[int]) -> np.ndarray:
    count = int(np.prod(shape))
    if kind == F32:
        values = data[start : start + 4 * count].view(np.float32)
    elif kind == F16:
        values = data[start : start + 2 * count].view(np.float16)
    elif kind == Q8_0:
        blocks = data[start : start + count // 32 * 34].reshape(-1, 34)
        values = _halves(blocks[:, :2]) * blocks[:, 2:].view(np.int8)
    elif kind == Q4_0:
        blocks = data[start : start + count // 32 * 18].reshape(-1, 18)
        values = _halves(blocks[:, :2]) * (_nibbles(blocks[:, 2:]) - 8)
    elif kind == Q4_1:
        blocks = data[start : start + count // 32 * 20].reshape(-1, 20)
        values = _halves(blocks[:, :2]) * _nibbles(blocks[:, 4:]) + _halves(blocks[:, 2:4])
    else:
        raise ValueError(f"tensors of ggml's type {kind} are not read here")
    return np.ascontiguousarray(values.reshape(shape), dtype=np.float32)


def _halves(two_bytes: np.ndarray) -> np.ndarray:
    return two_bytes.copy().view(np.float16).astype(np.float32)


def _nibbles(packed: np.ndarray) -> np.ndarray:
    return np.concatenate([packed & 15, packed >> 4], 1).astype(np.float32)
