"""Tunes a llama to Mixture-of-Head attention by query norms, and a dense control on the same batches.

    python train.py MODEL.gguf DATA.npz OUT --minutes 6.5

DATA is from ../matryoshka/prepare.py. OUT gets evaluation.json, log.csv and tuned-0.npz, tuned-1.npz (for export.py); --state, a file of
0.7 GB, lets a run that was cut go on when it is started again. A GPU makes it quick; a CPU does for a look.

Loss of both: 0.75 × divergence from the original + 0.25 × next token, and 0.01 × balance of the routers.
"""

import argparse
import csv
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from arrange import arranged
from student import FORM, Block, Student, block, moh_shape
from evaluate import measure  # of ../matryoshka, which student.py puts on the path
from llama import Llama
from rounding import packed

RATE, WARM_UP_STEPS, LARGEST_GRADIENT = 3e-4, 50, 1.0
DISTILLED, BALANCED = 0.75, 0.01
SAVE_SECONDS, CHECKS = 60, 20
TUNED_FILES = 2
"""So many files hold the result, so that none is large."""


@dataclass(frozen=True)
class Options:
    rows: int
    length: int
    seconds: float
    rate: float


class Windows:
    """Windows [rows, length + 1] of a token stream from random places."""

    def __init__(self, tokens: np.ndarray, options: Options, device: torch.device) -> None:
        self.tokens, self.options = torch.from_numpy(tokens.astype(np.int32)).to(device), options
        self.generator = torch.Generator(device).manual_seed(1)

    def next(self) -> Tensor:
        rows, length, device = self.options.rows, self.options.length, self.tokens.device
        starts = torch.randint(len(self.tokens) - length - 1, (rows,), generator=self.generator, device=device)
        return self.tokens[starts[:, None] + torch.arange(length + 1, device=device)].long()


def losses(states: Tensor, wanted: Tensor, targets: Tensor, head: Tensor) -> tuple[Tensor, Tensor]:
    """(divergence from the wanted states' predictions, next token's nats), means over the tokens."""
    given = F.linear(states.to(head.dtype), head).float().flatten(0, 1).log_softmax(-1)
    right = F.linear(wanted.to(head.dtype), head).float().flatten(0, 1).log_softmax(-1)
    divergence = (right.exp() * (right - given)).sum(-1).mean()
    return divergence, -given.gather(1, targets.reshape(-1, 1)).mean()


class Run:
    """Both students, what they learn from, and where they stand."""

    def __init__(self, base: Llama, exact: Llama, windows: Windows, compiles: bool) -> None:
        self.base, self.windows, self.options = base, windows, windows.options
        start = {**exact.weights, **arranged(exact, windows.next()[:8, :-1])}
        # The original, run by the same code: its weights have been rounded before.
        self.teacher = Student(base, exact.weights, base.shape).to(base.device)
        self.students = {name: Student(base, start, shape).to(base.device) for name, shape in
                         {"moh": moh_shape(base.shape), "dense": base.shape}.items()}
        self.block: Block = torch.compile(block) if compiles else block
        self.losses = torch.compile(losses) if compiles else losses
        fused = base.device.type == "cuda"
        self.optimizers = {name: torch.optim.AdamW(student.parameters(), betas=(0.9, 0.95), weight_decay=0.0, fused=fused)
                           for name, student in self.students.items()}
        self.step, self.seconds = 0, 0.0

    def gradients(self, tokens: Tensor) -> dict[str, Tensor]:
        """Adds the gradients of a batch; [divergence, next token, balance, largest load over mean] by student."""
        inputs, targets = tokens[:, :-1], tokens[:, 1:]
        with torch.no_grad():
            wanted = self.teacher.states(inputs, self.block)[0]
        figures = {}
        for name, student in self.students.items():
            states, balance, load = student.states(inputs, self.block)
            divergence, next_token = self.losses(states, wanted, targets, self.base.head)
            (DISTILLED * divergence + (1 - DISTILLED) * next_token + BALANCED * balance).backward()
            largest = (load.amax(1) / load.mean(1)).max()
            figures[name] = torch.stack([divergence, next_token, balance, largest]).detach()
        return figures

    def warm_up(self) -> None:
        """Compiles, before the clock runs."""
        state = self.windows.generator.get_state()
        self.gradients(self.windows.next())
        for optimizer in self.optimizers.values():
            optimizer.zero_grad(set_to_none=True)
        self.windows.generator.set_state(state)

    def tune(self, log_path: Path, state_path: Path) -> None:
        if state_path.exists():
            self._load(state_path)
        else:
            names = ",".join(f"{name}_{figure}" for name in self.students for figure in ("divergence", "next_token", "balance", "max_load"))
            log_path.write_text(f"step,seconds,{names}\n", encoding="utf-8")
        began, saved = time.monotonic() - self.seconds, self.seconds
        logged = int(self.seconds / self.options.seconds * CHECKS)
        recent: list[Tensor] = []
        while (spent := time.monotonic() - began) < self.options.seconds:
            self.step, self.seconds = self.step + 1, spent
            figures = self.gradients(self.windows.next())
            self._update(spent / self.options.seconds)
            recent.append(torch.cat([*figures.values()]))
            if self.base.device.type == "cuda" and self.step % 4 == 0:
                # The clock is the schedule: it must not run ahead of the device.
                torch.cuda.synchronize()
            if int(spent / self.options.seconds * CHECKS) > logged or self.step == 1:
                logged = int(spent / self.options.seconds * CHECKS)
                row = [self.step, f"{spent:.1f}", *(f"{value:.4f}" for value in torch.stack(recent).mean(0).tolist())]
                recent.clear()
                with log_path.open("a", encoding="utf-8") as log:
                    csv.writer(log, lineterminator="\n").writerow(row)
                print(*row, flush=True)
            if spent - saved > SAVE_SECONDS:
                saved = spent
                self._save(state_path)
        self.seconds = self.options.seconds
        self._save(state_path)

    def _update(self, progress: float) -> None:
        rate = self.options.rate * min(1.0, self.step / WARM_UP_STEPS) * 0.5 * (1 + math.cos(math.pi * progress))
        for name, optimizer in self.optimizers.items():
            torch.nn.utils.clip_grad_norm_(self.students[name].parameters(), LARGEST_GRADIENT)
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    def _save(self, path: Path) -> None:
        state = {name: {"student": student.tuned.state_dict(), "optimizer": self.optimizers[name].state_dict()}
                 for name, student in self.students.items()}
        whole = path.with_suffix(".new")
        torch.save({**state, "generator": self.windows.generator.get_state(), "step": self.step, "seconds": self.seconds}, whole)
        whole.replace(path)

    def _load(self, path: Path) -> None:
        state = torch.load(path, map_location=self.base.device, weights_only=True)
        for name, student in self.students.items():
            student.tuned.load_state_dict(state[name]["student"])
            self.optimizers[name].load_state_dict(state[name]["optimizer"])
        self.windows.generator.set_state(state["generator"].cpu())
        self.step, self.seconds = state["step"], state["seconds"]


@torch.no_grad()
def loads(student: Student, rows: Tensor) -> Tensor:
    """Share of the tokens [rows, length] that each routed head takes: [layers, routed heads]."""
    return torch.stack([student.states(row[None], block)[2] for row in rows]).mean(0)


def evaluation(path: Path, run: Run, data: dict[str, np.ndarray], windows: int, at_once: int) -> dict[str, object]:
    """Figures of the original and of both students as they are stored, in single precision."""
    exact = Llama(path, run.base.device, torch.float32)
    if windows:
        for name in ("books", "wikitext2"):
            data[f"{name}_bytes"] = np.array(int(data[f"{name}_bytes"]) * windows // len(data[name]))
            data[name] = data[name][:windows]
        data = {name: data[name] for name in data if not name.startswith("pass_keys")}
        data["hellaswag"], data["hellaswag_endings"] = data["hellaswag"][: 4 * windows], data["hellaswag_endings"][: 4 * windows]
        data["hellaswag_right"] = data["hellaswag_right"][:windows]
    results: dict[str, object] = {"original": measure(exact, None, data, at_once)}
    for name, student in run.students.items():
        exact.weights.update(student.stored())
        exact.shape = student.shape
        results[name] = measure(exact, None, data, at_once)
    nats = math.log(2)
    for text in ("books", "wikitext2"):
        count = data[text][:, 1:].size
        for name in ("original", "moh", "dense"):
            figures = results[name]
            figures[f"{text}Perplexity"] = math.exp(figures[f"{text}BitsPerByte"] * nats * int(data[f"{text}_bytes"]) / count)
        results[f"{text}MohOverDense"] = results["moh"][f"{text}Perplexity"] / results["dense"][f"{text}Perplexity"]
    share = loads(run.students["moh"], torch.from_numpy(data["books"][:16, :-1].astype(np.int64)).to(run.base.device))
    over_mean = share.amax(1) / share.mean(1)
    results["loads"] = [[round(value, 3) for value in layer] for layer in share.tolist()]
    results["loadMaxOverMean"] = over_mean.max().item()
    results["steps"], results["tokens"] = run.step, run.step * run.options.rows * run.options.length
    return results


def write_tuned(out: Path, student: Student) -> None:
    """The tuned weights as the file stores them, in files of about the same size."""
    arrays = {}
    for name, weight in student.stored().items():
        arrays[name] = packed(student.tuned[name.replace(".", "-")].detach().float(), FORM) if weight.ndim == 2 else weight.cpu().numpy()
    for part in range(TUNED_FILES):
        np.savez(out / f"tuned-{part}.npz", **{name: array for i, (name, array) in enumerate(arrays.items()) if i % TUNED_FILES == part})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ["model", "data", "out"]:
        parser.add_argument(name, type=Path)
    parser.add_argument("--minutes", type=float, default=6.5, help="of tuning; start and evaluation take about one more on a GPU")
    parser.add_argument("--state", type=Path, help="checkpoint; OUT/state.pt if not given")
    parser.add_argument("--rows", type=int, default=16, help="windows a step")
    parser.add_argument("--length", type=int, default=1024, help="tokens of a window")
    parser.add_argument("--rate", type=float, default=RATE)
    parser.add_argument("--no-compile", action="store_true")
    parser.add_argument("--windows", type=int, default=0, help="of each text to measure, for a look; 0: all, with all tasks")
    parser.add_argument("--at-once", type=int, default=16_384, help="tokens a batch while measuring")
    arguments = parser.parse_args()
    began = time.monotonic()
    arguments.out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    torch.set_float32_matmul_precision("high")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    data = dict(np.load(arguments.data))
    options = Options(arguments.rows, arguments.length, 60 * arguments.minutes, arguments.rate)
    base = Llama(arguments.model, device, torch.bfloat16 if device.type == "cuda" else torch.float32)
    windows = Windows(data["training"], options, device)

    exact = Llama(arguments.model, device, torch.float32)
    run = Run(base, exact, windows, device.type == "cuda" and not arguments.no_compile)
    del exact
    run.warm_up()
    print(f"ready after {time.monotonic() - began:.0f} s", flush=True)
    run.tune(arguments.out / "log.csv", arguments.state or arguments.out / "state.pt")
    write_tuned(arguments.out, run.students["moh"])
    results = evaluation(arguments.model, run, data, arguments.windows, arguments.at_once)
    (arguments.out / "evaluation.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(results), f"done after {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
