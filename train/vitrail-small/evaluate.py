"""Evaluates a checkpoint as it is stored, through Q4_0, or an exported file: perplexity, HellaSwag, pass keys, the routers' load.

    python evaluate.py DATA CHECKPOINT.npz EVAL OUT.json [--dense]
    python evaluate.py DATA MODEL.gguf EVAL OUT.json

DATA holds tokenizer.json and books.npz of prepare.py, EVAL wikitext2-test.txt and hellaswag_val_full.txt.bz2. A GPU makes it quick.
"""

import argparse
import bz2
import json
import math
import random
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from torch import Tensor

from model import Decoder, ModelConfig, fake_quantize, is_quantized, rope_table

sys.path.insert(1, str(Path(__file__).resolve().parent / "write"))
from gguf_arrays import read_gguf  # noqa: E402

STRIDE = 512
HELLASWAG_QUESTIONS = 1000
PASS_KEY_TRIALS = 40
PASS_KEY_LENGTHS = [256, 512, 1000, 2048, 4096]
FILLER = "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again. "


def load(path: Path, config: ModelConfig, device: torch.device, longest: int) -> Decoder:
    """The model as its file holds it: matrices through Q4_0, routers in single precision."""
    model = Decoder(config)
    model.load_state_dict(stored(path, model.state_dict().keys()) if path.suffix == ".gguf" else quantized(path))
    model.rotation = rope_table(config, length=longest)
    return model.to(device).eval()


def stored(path: Path, names: Iterable[str]) -> dict[str, Tensor]:
    """What an exported file has for narrow caches is left out."""
    arrays = read_gguf(path)[1]
    return {name: torch.tensor(arrays[name]) for name in names}


def quantized(path: Path) -> dict[str, Tensor]:
    with np.load(path) as arrays:
        weights = {name: torch.from_numpy(arrays[name].astype(np.float32)) for name in arrays.files if name != "steps"}
    names = [name for name, weight in weights.items() if is_quantized(name, weight)]
    weights.update(zip(names, fake_quantize([weights[name] for name in names]), strict=True))
    return weights


def next_token_losses(model: Decoder, rows: Tensor) -> Tensor:
    """Nats of each next token: [batch, length] ids to [batch, length - 1]."""
    logits, _ = model(rows[:, :-1])
    return F.cross_entropy(logits.float().transpose(1, 2), rows[:, 1:], reduction="none")


def strided_nats(model: Decoder, tokens: Tensor) -> float:
    """Nats of a text, each token with at least STRIDE tokens before it where there are any."""
    length = model.config.context_length
    total = 0.0
    for start in range(0, len(tokens) - 1, STRIDE):
        window = tokens[max(0, start + STRIDE - length) : start + STRIDE + 1]
        new = min(STRIDE, len(tokens) - 1 - start)
        total += next_token_losses(model, window[None])[0, -new:].sum().item()
    return total


def wikitext(model: Decoder, tokenizer: Tokenizer, path: Path, device: torch.device) -> dict:
    text = path.read_text(encoding="utf-8")
    nats = strided_nats(model, torch.tensor(tokenizer.encode(text).ids, device=device))
    return {
        "wikitext2WordPerplexity": math.exp(nats / len(text.split())),
        "wikitext2BitsPerByte": nats / len(text.encode()) / math.log(2),
    }


def hellaswag(model: Decoder, tokenizer: Tokenizer, path: Path, device: torch.device) -> dict:
    """Blocks of six lines: context, right answer, four endings. The ending with the most likely bytes counts."""
    lines = bz2.open(path, "rt", encoding="utf-8").read().splitlines()
    right = 0
    for i in range(HELLASWAG_QUESTIONS):
        context, answer, *endings = lines[6 * i : 6 * i + 6]
        before = len(tokenizer.encode(context).ids)
        rows = [tokenizer.encode(f"{context} {ending}").ids for ending in endings]
        longest = max(map(len, rows))
        batch = torch.tensor([row + [0] * (longest - len(row)) for row in rows], device=device)
        losses = next_token_losses(model, batch)
        scores = [
            losses[n, before - 1 : len(row) - 1].sum().item() / len(ending.encode())
            for n, (row, ending) in enumerate(zip(rows, endings, strict=True))
        ]
        right += int(np.argmin(scores) == int(answer))
    return {"hellaswagAccuracyNorm": right / HELLASWAG_QUESTIONS}


def pass_keys(model: Decoder, tokenizer: Tokenizer, device: torch.device) -> dict:
    """Share of keys that greedy decoding gives back, by length of the prompt, with all of it attended to."""
    rng = random.Random(5)
    shares = {}
    for length in PASS_KEY_LENGTHS:
        right = 0
        for _ in range(PASS_KEY_TRIALS):
            key = rng.randrange(10_000, 100_000)
            line = f"The pass key is {key}. Remember it. {key} is the pass key. "
            question = f"\nWhat is the pass key? The pass key is"
            room = length - len(tokenizer.encode(line + question).ids) - 8
            repeats = max(1, room // len(tokenizer.encode(FILLER).ids))
            place = rng.randrange(repeats + 1)
            prompt = FILLER * place + line + FILLER * (repeats - place) + question
            ids, whole = tokenizer.encode(prompt).ids, tokenizer.encode(f"{prompt} {key}").ids
            logits, _ = model(torch.tensor([whole], device=device))
            best = logits[0, len(ids) - 1 : -1].argmax(-1).tolist()
            right += int(best == whole[len(ids) :])
        shares[str(length)] = right / PASS_KEY_TRIALS
    return {"passKeys": shares}


def router_load(model: Decoder, tokens: Tensor) -> dict:
    """Of each layer's routed heads: how often the busiest is chosen, against the mean."""
    counts: list[Tensor] = []
    for block in model.blk:
        gates = block.gates

        def counted(h: Tensor, gates=gates) -> tuple[Tensor, Tensor]:
            values, balance = gates(h)
            counts.append((values[..., model.config.shared_heads :] > 0).float().mean((0, 1)))
            return values, balance

        block.gates = counted
    length = model.config.context_length
    model(tokens[: length * 16].view(16, length).long())
    loads = [(layer.max() / layer.mean()).item() for layer in counts]
    for block in model.blk:
        del block.gates
    return {"routerLoadMaxOverMean": loads, "routerLoadWorst": max(loads)}


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ["data", "checkpoint", "eval", "out"]:
        parser.add_argument(name, type=Path)
    parser.add_argument("--dense", action="store_true")
    arguments = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    config = replace(ModelConfig(), moh=not arguments.dense)
    model = load(arguments.checkpoint, config, device, max(PASS_KEY_LENGTHS) + 64)
    tokenizer = Tokenizer.from_file(str(arguments.data / "tokenizer.json"))
    with np.load(arguments.data / "books.npz") as data:
        books, books_bytes = torch.from_numpy(data["validation"].astype(np.int64)).to(device), int(data["validation_bytes"])
    results = {"booksBitsPerByte": strided_nats(model, books) / books_bytes / math.log(2)}
    results |= wikitext(model, tokenizer, arguments.eval / "wikitext2-test.txt", device)
    results |= pass_keys(model, tokenizer, device)
    if config.moh:
        results |= router_load(model, books)
    arguments.out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(results), flush=True)
    results |= hellaswag(model, tokenizer, arguments.eval / "hellaswag_val_full.txt.bz2", device)
    arguments.out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(results), flush=True)


if __name__ == "__main__":
    main()
