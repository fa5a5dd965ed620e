"""Finds the bases and widths of MatryoshkaKV (arXiv 2410.14731) for a GGUF file of a llama, and what they cost.

    python train.py MODEL.gguf DATA.npz OUT --seconds 110 --search-seconds 15

DATA is from prepare.py. OUT gets basis.npz (for export.py), evaluation.json, log.csv and state.pt: started again on the same OUT, it
goes on where it was cut. Every stage ends with what it found on disk. A GPU makes it quick; a CPU does for a look.

Stages: principal components; bases tuned at random widths; the search for widths; bases tuned further at those widths; what it all costs.
"""

import argparse
import csv
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from basis import Bases, TurnedBases, principal_components, random_widths, uniform_widths
from budgets import BUDGETS, percent
from evaluate import measure
from llama import Llama
from search import divergence, search_widths

RATE, WARM_UP_STEPS = 1e-3, 100
DISTILLED = 0.25
"""Share of the loss that is the divergence from the whole model; the rest is the next token's."""
SAVE_SECONDS = 30
CHECKS = 10


@dataclass(frozen=True)
class Options:
    rows: int
    length: int
    calibration_batches: int
    as_graph: bool


class Windows:
    """Windows of a token stream from random places, at random positions of the model's context."""

    def __init__(self, tokens: np.ndarray, context: int, options: Options, device: torch.device) -> None:
        self.tokens = torch.from_numpy(tokens.astype(np.int32)).to(device)
        self.room, self.options = context - options.length, options
        self.generator = torch.Generator(device).manual_seed(1)

    def next(self) -> tuple[Tensor, Tensor]:
        """([rows, length + 1] tokens, [rows] positions of their first). Keys turn with their position, so a basis must see them all."""
        length, device = self.options.length, self.tokens.device
        draw = lambda end: torch.randint(end, (self.options.rows,), generator=self.generator, device=device)  # noqa: E731
        starts = draw(len(self.tokens) - length - 1)
        return self.tokens[starts[:, None] + torch.arange(length + 1, device=device)].long(), draw(self.room + 1)


@dataclass(frozen=True)
class Stage:
    """A part of the tuning. `widths` draws those of a step's rows: [rows, layers, 2, kv_heads], in eighths."""

    name: str
    seconds: float
    widths: Callable[[torch.Generator], Tensor]


def tune(model: Llama, start: Bases, stage: Stage, windows: Windows, held_out: Tensor, out: Path) -> Bases:
    """Turns the bases until the model's outputs at the stage's widths are as near as they come to those of the whole model."""
    bases = TurnedBases(start).to(model.device)
    optimizer = torch.optim.Adam(bases.parameters(), lr=RATE)
    state_path, log_path = out / f"{stage.name}.pt", out / f"log-{stage.name}.csv"
    step, spent = 0, 0.0
    if state_path.exists():
        state = torch.load(state_path, map_location=model.device, weights_only=True)
        bases.load_state_dict(state["bases"])
        optimizer.load_state_dict(state["optimizer"])
        windows.generator.set_state(state["generator"].cpu())
        step, spent = state["step"], state["seconds"]
    else:
        log_path.write_text("step,seconds,loss,divergence,next_token,held_out_bits_a_token_at_half\n", encoding="utf-8")
    gradients = Gradients(model, start, windows, stage, windows.options.as_graph)
    began, saved, checked = time.monotonic() - spent, spent, -1
    recent: list[Tensor] = []
    while (spent := time.monotonic() - began) < stage.seconds:
        step += 1
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1.0, step / WARM_UP_STEPS) * 0.5 * (1 + math.cos(math.pi * spent / stage.seconds))
        turned = bases()
        optimizer.zero_grad(set_to_none=True)
        losses, by_vectors, by_mean = gradients.of_step(turned)
        torch.autograd.backward([turned.vectors, turned.mean], [by_vectors, by_mean])
        optimizer.step()
        recent.append(losses.clone())
        if model.device.type == "cuda" and step % 4 == 0:
            # The clock is the schedule: it must not run ahead of the device.
            torch.cuda.synchronize()
        if int(spent / stage.seconds * CHECKS) > checked:
            checked = int(spent / stage.seconds * CHECKS)
            loss, kl, next_token = torch.stack(recent).mean(0).tolist()
            recent.clear()
            row = [step, f"{spent:.1f}", f"{loss:.4f}", f"{kl:.4f}", f"{next_token:.4f}", f"{_bits_at_half(model, bases, held_out):.4f}"]
            with log_path.open("a", encoding="utf-8") as log:
                csv.writer(log, lineterminator="\n").writerow(row)
            print(stage.name, *row, flush=True)
        if spent - saved > SAVE_SECONDS:
            saved = spent
            _save(state_path, bases, optimizer, windows, step, spent)
    _save(state_path, bases, optimizer, windows, step, stage.seconds)
    return bases().stored()


class Gradients:
    """Losses of a step and their gradients by the bases. One CUDA graph can compute all of it: thousands of small kernels a step."""

    def __init__(self, model: Llama, bases: Bases, windows: Windows, stage: Stage, as_graph: bool) -> None:
        self.model, self.windows, self.stage = model, windows, stage
        self.vectors = bases.vectors.clone().requires_grad_()
        self.mean = bases.mean.clone().requires_grad_()
        self._draw()
        self.graph = self._captured() if as_graph else None

    def of_step(self, bases: Bases) -> tuple[Tensor, Tensor, Tensor]:
        """([loss, divergence, next token's nats], by vectors, by the mean) for new windows and widths."""
        with torch.no_grad():
            self.vectors.copy_(bases.vectors)
            self.mean.copy_(bases.mean)
            tokens, offsets, widths = self.tokens, self.offsets, self.widths
            self._draw()
            for old, new in [(tokens, self.tokens), (offsets, self.offsets), (widths, self.widths)]:
                old.copy_(new)
            # The graph reads where it was captured.
            self.tokens, self.offsets, self.widths = tokens, offsets, widths
        if self.graph is None:
            return self._compute()
        self.graph.replay()
        return self.results

    def _draw(self) -> None:
        self.tokens, self.offsets = self.windows.next()
        self.widths = self.stage.widths(self.windows.generator)

    def _captured(self) -> torch.cuda.CUDAGraph:
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                self._compute()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.results = self._compute()
        return graph

    def _compute(self) -> tuple[Tensor, Tensor, Tensor]:
        model, inputs, targets = self.model, self.tokens[:, :-1], self.tokens[:, 1:]
        with torch.no_grad():
            wanted = model.logits(model.states(inputs, offsets=self.offsets)).log_softmax(-1)
        reductions = Bases(self.vectors, self.mean).reductions(self.widths)
        given = model.logits(model.states(inputs, reductions, self.offsets)).log_softmax(-1)
        kl = divergence(wanted, given)
        next_token = F.nll_loss(given.flatten(0, 1), targets.flatten())
        loss = DISTILLED * kl + (1 - DISTILLED) * next_token
        by_vectors, by_mean = torch.autograd.grad(loss, [self.vectors, self.mean])
        return torch.stack([loss, kl, next_token]).detach(), by_vectors, by_mean


@torch.no_grad()
def _bits_at_half(model: Llama, bases: TurnedBases, rows: Tensor) -> float:
    turned = bases()
    logits = model.logits(model.states(rows[:, :-1], turned.reductions(uniform_widths(0.5, turned.vectors))))
    return F.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten()).item() / math.log(2)


def _save(path: Path, bases: TurnedBases, optimizer: torch.optim.Optimizer, windows: Windows, step: int, seconds: float) -> None:
    state = {"bases": bases.state_dict(), "optimizer": optimizer.state_dict(), "step": step, "seconds": seconds}
    whole = path.with_suffix(".new")
    torch.save({**state, "generator": windows.generator.get_state()}, whole)
    whole.replace(path)


class Results:
    """evaluation.json and basis.npz, rewritten with every thing that is found."""

    def __init__(self, out: Path) -> None:
        self.json_path, self.array_path = out / "evaluation.json", out / "basis.npz"
        self.figures: dict = json.loads(self.json_path.read_text()) if self.json_path.exists() else {}
        self.arrays: dict[str, np.ndarray] = dict(np.load(self.array_path)) if self.array_path.exists() else {}

    def keep(self, name: str, figures: dict) -> None:
        self.figures[name] = figures
        self.json_path.write_text(json.dumps(self.figures, indent=2) + "\n", encoding="utf-8")
        print(name, json.dumps(figures), flush=True)

    def keep_arrays(self, **arrays: Tensor) -> None:
        self.arrays |= {name: array.cpu().numpy() for name, array in arrays.items()}
        np.savez(self.array_path, **self.arrays)

    def bases(self, name: str, device: torch.device) -> Bases | None:
        if f"{name}_vectors" not in self.arrays:
            return None
        vectors, mean = (torch.from_numpy(self.arrays[f"{name}_{part}"]).float().to(device) for part in ("vectors", "mean"))
        return Bases(vectors, mean)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ["model", "data", "out"]:
        parser.add_argument(name, type=Path)
    parser.add_argument("--seconds", type=float, default=110, help="of tuning at random widths")
    parser.add_argument("--settle-seconds", type=float, default=60, help="of tuning at the widths that were found")
    parser.add_argument("--search-seconds", type=float, default=15, help="of the search for widths, for each of the two bases")
    parser.add_argument("--rows", type=int, default=16, help="windows a step")
    parser.add_argument("--length", type=int, default=1024, help="tokens of a window")
    parser.add_argument("--search-rows", type=int, default=4)
    parser.add_argument("--search-length", type=int, default=512)
    parser.add_argument("--calibration-batches", type=int, default=12)
    parser.add_argument("--eager", action="store_true", help="without a CUDA graph")
    parser.add_argument("--at-once", type=int, default=16_384, help="tokens a batch while measuring")
    arguments = parser.parse_args()
    began = time.monotonic()
    arguments.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    torch.set_float32_matmul_precision("high")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    data = dict(np.load(arguments.data))
    results = Results(arguments.out)
    options = Options(arguments.rows, arguments.length, arguments.calibration_batches, device.type == "cuda" and not arguments.eager)
    # Measured in single precision: rounding to bf16 would hide what an eighth of one head does.
    exact = Llama(arguments.model, device, torch.float32)
    books = torch.from_numpy(data["books"].astype(np.int64)).to(device)
    print(exact.shape, f"loaded after {time.monotonic() - began:.0f} s", flush=True)

    start = results.bases("pca", device)
    if start is None:
        windows = Windows(data["training"], exact.shape.context, options, device)
        batches = ((tokens[:, :-1], offsets) for tokens, offsets in (windows.next() for _ in range(options.calibration_batches)))
        start = principal_components(exact, batches).stored()
        results.keep_arrays(pca_vectors=start.vectors.half(), pca_mean=start.mean)
    def tuned_in(stage: Stage, begin: Bases) -> Bases:
        known = results.bases(stage.name, device)
        if known is not None:
            return known
        quick = Llama(arguments.model, device, torch.bfloat16 if device.type == "cuda" else torch.float32)
        windows = Windows(data["training"], exact.shape.context, options, device)
        found = tune(quick, begin, stage, windows, books[:8, : options.length], arguments.out)
        results.keep_arrays(**{f"{stage.name}_vectors": found.vectors.half(), f"{stage.name}_mean": found.mean})
        print(f"{stage.name} after {time.monotonic() - began:.0f} s", flush=True)
        return found

    def widths_of(name: str, bases: Bases) -> dict[float, Tensor]:
        if f"{name}_widths_{percent(BUDGETS[-1])}" not in results.arrays:
            windows = Windows(data["training"], exact.shape.context, Options(arguments.search_rows, arguments.search_length, 0, False), device)
            tokens = windows.next()[0][:, :-1]
            found = search_widths(exact, bases, tokens, BUDGETS, arguments.search_seconds)
            results.keep_arrays(**{f"{name}_widths_{percent(budget)}": widths for budget, widths in found.items()})
            print(f"widths of {name} after {time.monotonic() - began:.0f} s", flush=True)
        return {budget: torch.from_numpy(results.arrays[f"{name}_widths_{percent(budget)}"]).to(device) for budget in BUDGETS}

    nested = Stage("nested", arguments.seconds, lambda draws: random_widths(arguments.rows, start.vectors, draws))
    bases = tuned_in(nested, start)
    found = widths_of("mkv", bases)
    each = torch.stack([*found.values()]).repeat(-(-arguments.rows // len(found)), 1, 1, 1)[: arguments.rows]
    tuned = tuned_in(Stage("mkv", arguments.settle_seconds, lambda _: each), bases)

    def report(name: str, bases: Bases | None, widths: Tensor | None) -> None:
        if name not in results.figures:
            reductions = bases.reductions(widths) if bases is not None and widths is not None else None
            results.keep(name, measure(exact, reductions, data, arguments.at_once))

    report("whole", None, None)
    forms = {"mkv": (tuned, found), "pca": (start, widths_of("pca", start))}
    for budget in [0.5, 0.375, 0.25, 0.75]:
        for name, (own, widths) in forms.items():
            report(f"{name}Greedy{percent(budget)}", own, widths[budget])
            report(f"{name}Uniform{percent(budget)}", own, uniform_widths(budget, own.vectors))
    print(f"done after {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
