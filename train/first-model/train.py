"""Trains the decoder on one GPU within a time budget.

    python train.py tokens.npz OUT --minutes 4

Writes OUT/checkpoint.npz (float32 weights under their GGUF names, renewed at every evaluation) and OUT/log.csv.
The number of steps follows from the speed measured after the first steps; --steps fixes it instead, to
repeat a run.

The last part trains for the 4-bit file: each step runs on weights that went through Q4_0 and back, and the gradient is
applied to the full-precision weights (straight-through estimation, Bengio et al. 2013, arXiv:1308.3432).
"""

import argparse
import csv
import itertools
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model import Decoder, ModelConfig, fake_quantize


@dataclass(frozen=True)
class Recipe:
    seed: int = 1
    batch: int = 128
    peak_learning_rate: float = 3e-3
    final_learning_rate_share: float = 0.01
    warmup_steps: int = 300
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = 0.1
    gradient_norm: float = 1.0
    quantized_share: float = 0.35
    # Compilation ends and clocks settle before the speed is measured.
    warm_steps: int = 30
    timed_steps: int = 100
    # Of the time that is left then; the rest is for evaluations and for quantized steps, which take a little longer.
    training_share: float = 0.95
    evaluations: int = 24


class TrainedWeights:
    """Full-precision weights that the optimizer updates, and the model's copy that forward and backward run on."""

    def __init__(self, model: Decoder, recipe: Recipe) -> None:
        self.names = [name for name, _ in model.named_parameters()]
        self.copies = [parameter for _, parameter in model.named_parameters()]
        self.masters = [nn.Parameter(parameter.detach().clone()) for parameter in self.copies]
        matrices = _matrices(self.masters)
        norms = [master for master in self.masters if master.ndim == 1]
        self.optimizer = torch.optim.AdamW(
            [{"params": matrices, "weight_decay": recipe.weight_decay}, {"params": norms, "weight_decay": 0.0}],
            lr=recipe.peak_learning_rate,
            betas=recipe.betas,
            fused=self.masters[0].is_cuda,
        )
        self.gradient_norm = recipe.gradient_norm

    @torch.no_grad()
    def load(self, *, quantized: bool) -> None:
        """Refreshes the model's copy; `quantized` sends the matrices through Q4_0."""
        torch._foreach_copy_(self.copies, self.masters)
        if quantized:
            torch._foreach_copy_(_matrices(self.copies), fake_quantize(_matrices(self.masters)))

    def update(self, learning_rate: float) -> None:
        """Applies the copy's gradients to the full-precision weights."""
        for master, copy in zip(self.masters, self.copies, strict=True):
            master.grad = copy.grad
            copy.grad = None
        nn.utils.clip_grad_norm_(self.masters, self.gradient_norm)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.optimizer.step()

    def save(self, path: Path, steps: int) -> None:
        arrays = {
            name: master.detach().float().cpu().numpy() for name, master in zip(self.names, self.masters, strict=True)
        }
        partial = path.with_suffix(".partial.npz")
        np.savez(partial, steps=steps, **arrays)
        partial.replace(path)


def _matrices(weights: list[nn.Parameter]) -> list[nn.Parameter]:
    return [weight for weight in weights if weight.ndim == 2]


def windows(tokens: Tensor, batch: int, length: int, seed: int) -> Iterator[Tensor]:
    """Batches of `length` + 1 neighbouring tokens from random places: [batch, length + 1]."""
    generator = torch.Generator(device=tokens.device).manual_seed(seed)
    reach = torch.arange(length + 1, device=tokens.device)
    while True:
        starts = torch.randint(len(tokens) - length, (batch, 1), device=tokens.device, generator=generator)
        yield tokens[starts + reach].long()


def learning_rate(recipe: Recipe, step: int, steps: int) -> float:
    """Linear warm-up, then half a cosine down to the final share of the peak."""
    if step < recipe.warmup_steps:
        return recipe.peak_learning_rate * (step + 1) / recipe.warmup_steps
    progress = (step - recipe.warmup_steps) / max(1, steps - recipe.warmup_steps)
    low = recipe.final_learning_rate_share
    return recipe.peak_learning_rate * (low + (1 - low) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress))))


class Trainer:
    def __init__(self, model: Decoder, recipe: Recipe, device: torch.device, *, compiled: bool) -> None:
        self.model = model
        self.recipe = recipe
        self.device = device
        self.weights = TrainedWeights(model, recipe)
        self.loss = torch.compile(self._loss) if compiled else self._loss

    def _loss(self, batch: Tensor) -> Tensor:
        with torch.autocast(self.device.type, torch.bfloat16):
            logits = self.model(batch[:, :-1])
        return F.cross_entropy(logits.float().flatten(0, 1), batch[:, 1:].flatten())

    def step(self, batch: Tensor, rate: float, *, quantized: bool) -> Tensor:
        self.weights.load(quantized=quantized)
        loss = self.loss(batch)
        loss.backward()
        self.weights.update(rate)
        return loss.detach()

    @torch.no_grad()
    def validation_loss(self, tokens: Tensor, *, quantized: bool) -> float:
        """Mean nats a token over whole windows of the validation books."""
        self.weights.load(quantized=quantized)
        length, batch = self.model.config.context_length, self.recipe.batch
        count = (len(tokens) - 1) // length
        rows = tokens[: count * length + 1].unfold(0, length + 1, length)
        # Whole batches only: another shape would be compiled again.
        losses = [self.loss(rows[i : i + batch].long()) for i in range(0, count - batch + 1, batch)]
        return torch.stack(losses).mean().item()

    def now(self) -> float:
        """Seconds on a clock, read when the device has done what was asked of it."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.monotonic()


class Log:
    """log.csv and the same rows on standard output."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("w", newline="")
        self.writer = csv.writer(self.file, lineterminator="\n")
        self._write("step", "seconds", "learning_rate", "training_loss", "validation_bpb", "validation_bpb_q4_0")

    def add(self, step: int, seconds: float, rate: float, loss: float, bpb: float, bpb_q4_0: float) -> None:
        self._write(step, f"{seconds:.1f}", f"{rate:.3g}", f"{loss:.4f}", f"{bpb:.4f}", f"{bpb_q4_0:.4f}")

    def _write(self, *row: object) -> None:
        self.writer.writerow(row)
        self.file.flush()
        print(*row, flush=True)


def train(arguments: argparse.Namespace, recipe: Recipe) -> None:
    started = time.monotonic()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(recipe.seed)
    torch.set_float32_matmul_precision("high")
    data = np.load(arguments.tokens)
    training = torch.from_numpy(data["training"].astype(np.int16)).to(device)
    validation = torch.from_numpy(data["validation"].astype(np.int16)).to(device)
    bits_per_byte = len(validation) / float(data["validation_bytes"]) / math.log(2)

    config = ModelConfig()
    trainer = Trainer(Decoder(config).to(device), recipe, device, compiled=not arguments.no_compile)
    batches = windows(training, recipe.batch, config.context_length, recipe.seed)
    arguments.out.mkdir(parents=True, exist_ok=True)
    log = Log(arguments.out / "log.csv")

    def evaluate(step: int, rate: float, loss: float) -> None:
        plain = trainer.validation_loss(validation, quantized=False) * bits_per_byte
        q4_0 = trainer.validation_loss(validation, quantized=True) * bits_per_byte
        log.add(step, time.monotonic() - started, rate, loss, plain, q4_0)

    # Before the speed is measured: this also compiles the forward pass without gradients.
    evaluate(0, 0.0, math.nan)
    # Until the speed is known, all that matters of the number of steps is that it lies beyond the warm-up.
    steps = arguments.steps or 1_000_000
    losses: list[Tensor] = []
    for step in itertools.count(1):
        rate = learning_rate(recipe, step - 1, steps)
        quantized = step > steps * (1 - recipe.quantized_share)
        losses.append(trainer.step(next(batches), rate, quantized=quantized))
        if step == recipe.warm_steps:
            timed_from = trainer.now()
        if step == recipe.warm_steps + recipe.timed_steps:
            now = trainer.now()
            seconds_a_step = (now - timed_from) / recipe.timed_steps
            if not arguments.steps:
                left = arguments.minutes * 60 - (now - started)
                steps = step + int(recipe.training_share * left / seconds_a_step)
            speed = recipe.batch * config.context_length / seconds_a_step
            print(f"start {timed_from - started:.1f} s, {speed:,.0f} tokens/s, {steps:,} steps", flush=True)
        if step % max(1, steps // recipe.evaluations) == 0 or step == steps:
            evaluate(step, rate, torch.stack(losses).mean().item())
            losses.clear()
            trainer.weights.save(arguments.out / "checkpoint.npz", step)
        if step == steps:
            break


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tokens", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=4.0)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--batch", type=int, default=Recipe.batch)
    parser.add_argument("--no-compile", action="store_true")
    arguments = parser.parse_args()
    train(arguments, Recipe(batch=arguments.batch))


if __name__ == "__main__":
    main()
