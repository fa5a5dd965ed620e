"""Evaluates an exported file: bits per byte, samples and the loss curve.

    python evaluate.py vitrail-books.gguf CHECKPOINT TOKENIZER TOKENS LOG CURVE

Reads checkpoint.npz, tokenizer.json, tokens.npz and log.csv; writes the curve as a PNG and prints the rest.
"""

import argparse
import csv
import math
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor

from export import decoder_of, load_checkpoint, load_gguf
from model import Decoder

SAMPLES = [
    ("It was a dark and stormy night, and", 0.0),
    ("The old house stood at the end of the lane.", 0.7),
    ('"My dear Watson," said Holmes,', 0.7),
    ("The ship had been three days out of port when", 0.8),
    ("What is the capital of France?", 0.7),
]
SAMPLE_TOKENS = 120
TOP_P = 0.95
WINDOWS_AT_ONCE = 8


@torch.no_grad()
def bits_per_byte(model: Decoder, tokens: Tensor, text_bytes: int) -> float:
    """Mean over windows of the whole context; the first tokens of each have little to go by."""
    length = model.config.context_length
    windows = tokens[: (len(tokens) - 1) // length * length + 1].unfold(0, length + 1, length)
    nats = 0.0
    for batch in windows.split(WINDOWS_AT_ONCE):
        logits = model(batch[:, :-1])
        nats += F.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten(), reduction="sum").item()
    nats_a_token = nats / (windows.shape[0] * length)
    return nats_a_token * len(tokens) / text_bytes / math.log(2)


@torch.no_grad()
def generate(model: Decoder, prompt: list[int], count: int, temperature: float, seed: int) -> list[int]:
    """`count` tokens after the prompt, within the context; greedy at temperature 0, else nucleus sampling."""
    generator = torch.Generator().manual_seed(seed)
    tokens = list(prompt)
    for _ in range(count):
        logits = model(torch.tensor([tokens]))[0, -1]
        if temperature == 0:
            tokens.append(int(logits.argmax()))
            continue
        probabilities, ids = (logits / temperature).softmax(-1).sort(descending=True)
        probabilities[probabilities.cumsum(-1) - probabilities > TOP_P] = 0
        tokens.append(int(ids[probabilities.multinomial(1, generator=generator)]))
    return tokens[len(prompt) :]


def draw_curve(log: Path, out: Path) -> None:
    with log.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["step"] != "0"]
    steps = [int(row["step"]) for row in rows]
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    axes.plot(steps, [float(row["validation_bpb"]) for row in rows], label="full precision")
    axes.plot(steps, [float(row["validation_bpb_q4_0"]) for row in rows], label="through Q4_0")
    axes.set(xlabel="step", ylabel="bits per byte, validation books", title="Vitrail Books")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(out, dpi=100)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ["gguf", "checkpoint", "tokenizer", "tokens", "log", "curve"]:
        parser.add_argument(name, type=Path)
    arguments = parser.parse_args()

    draw_curve(arguments.log, arguments.curve)
    with np.load(arguments.tokens) as data:
        tokens, text_bytes = torch.from_numpy(data["validation"].astype(np.int64)), int(data["validation_bytes"])
    plain = decoder_of({name: torch.from_numpy(array) for name, array in load_checkpoint(arguments.checkpoint).items()})
    model = load_gguf(arguments.gguf)
    print(f"bits per byte, full precision: {bits_per_byte(plain, tokens, text_bytes):.4f}")
    print(f"bits per byte, the file:       {bits_per_byte(model, tokens, text_bytes):.4f}")

    tokenizer = Tokenizer.from_file(str(arguments.tokenizer))
    for prompt, temperature in SAMPLES:
        ids = generate(model, tokenizer.encode(prompt).ids, SAMPLE_TOKENS, temperature, seed=1)
        print(f"\n--- temperature {temperature}\n[{prompt}]{tokenizer.decode(ids, skip_special_tokens=False)}")


if __name__ == "__main__":
    main()
