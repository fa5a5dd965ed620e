"""Trains the decoder on one GPU within a time budget.

    python train.py DATA OUT --minutes 8                     with Mixture-of-Head attention
    python train.py DATA OUT-DENSE --dense --steps-of OUT    its dense twin: the same seed, tokens and steps

DATA holds what prepare.py wrote. Writes OUT/checkpoint.npz (float32 weights under their GGUF names), OUT/state.pt (what --resume needs
to go on), OUT/steps and OUT/log.csv. The number of steps follows from the speed measured after the first ones; --steps fixes it.

The learning rate stays at its peak and falls in a line over the last steps, which see chats and stories above all. The very last part trains for the 4-bit file: each step runs on weights that went through Q4_0 and back, and the gradient is
applied to the full-precision weights (straight-through estimation, Bengio et al. 2013, arXiv:1308.3432).
"""

import argparse
import csv
import math
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model import Decoder, ModelConfig, fake_quantize, is_quantized


@dataclass(frozen=True)
class Recipe:
    seed: int = 1
    batch: int = 128
    peak_learning_rate: float = 2e-3
    final_learning_rate_share: float = 0.01
    warmup_steps: int = 200
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = 0.1
    gradient_norm: float = 1.0
    falling_share: float = 0.4
    quantized_share: float = 0.3
    balance_weight: float = 0.01
    warm_steps: int = 30
    timed_steps: int = 60
    # Of the time that is left then; the rest is for evaluations and for quantized steps, which take a little longer.
    training_share: float = 0.94
    evaluations: int = 14
    validation_batches: int = 8


# Share of the rows of a batch that come from each source, until the learning rate falls and from then on.
SHARES = {"books": (0.5, 0.21), "written": (0.03, 0.03), "instructions": (0.08, 0.04), "dialogues": (0.04, 0.01), "retrieval": (0.17, 0.14), "facts": (0.08, 0.15), "tales": (0.1, 0.42)}
# Rows of the others begin at any token; a chat begins with its first turn, as it does when it is used.
BEGIN_ANYWHERE = {"books", "retrieval"}
END_TOKEN_ID = 0
WAITING_SECONDS = 0.5


class Sources:
    """The token ids of all sources behind each other; rows begin at random places of a source."""

    def __init__(self, folder: Path, device: torch.device, seed: int) -> None:
        arrays = {}
        for name, file, key in [
            ("books", "books", "tokens"),
            ("written", "written", "tokens"),
            ("instructions", "turns", "instructions"),
            ("dialogues", "turns", "dialogues"),
            ("retrieval", "retrieval", "tokens"),
            ("facts", "made", "facts"),
            ("tales", "made", "tales"),
        ]:
            with np.load(folder / f"{file}.npz") as data:
                arrays[name] = data[key]
        with np.load(folder / "books.npz") as data:
            validation, self.validation_bytes = data["validation"], int(data["validation_bytes"])
        with np.load(folder / "written.npz") as data:
            self.chats = torch.from_numpy(data["validation"].astype(np.int16)).to(device)
        self.validation = torch.from_numpy(validation.astype(np.int16)).to(device)
        self.tokens = torch.from_numpy(np.concatenate(list(arrays.values())).astype(np.int16)).to(device)
        lengths = torch.tensor([len(array) for array in arrays.values()])
        self.lengths = lengths.to(device)
        self.starts = (lengths.cumsum(0) - lengths).to(device)
        self.documents = (self.tokens[:-1] == END_TOKEN_ID).nonzero()[:, 0] + 1
        self.by_document = torch.tensor([name not in BEGIN_ANYWHERE for name in arrays], device=device)
        self.shares = torch.tensor([SHARES[name] for name in arrays], device=device).T.contiguous()
        self.generator = torch.Generator(device=device).manual_seed(seed)
        print(", ".join(f"{name} {len(array):,}" for name, array in arrays.items()), "tokens", flush=True)

    def rows(self, batch: int, length: int, *, falling: bool) -> Tensor:
        """[batch, length + 1] neighbouring tokens."""
        device = self.tokens.device
        source = torch.multinomial(self.shares[int(falling)], batch, replacement=True, generator=self.generator)
        place = torch.rand(batch, device=device, generator=self.generator, dtype=torch.float64)
        room = self.lengths[source] - length - 1
        starts = self.starts[source] + (place * room).long()
        following = self.documents[torch.searchsorted(self.documents, starts).clamp(max=len(self.documents) - 1)]
        starts = torch.where(self.by_document[source], torch.minimum(following, self.starts[source] + room), starts)
        return self.tokens[starts[:, None] + torch.arange(length + 1, device=device)].long()


class TrainedWeights:
    """Full-precision weights that the optimizer updates, and the model's copy that forward and backward run on."""

    def __init__(self, model: Decoder, recipe: Recipe) -> None:
        named = list(model.named_parameters())
        self.names = [name for name, _ in named]
        self.copies = [parameter for _, parameter in named]
        self.masters = [nn.Parameter(parameter.detach().clone()) for parameter in self.copies]
        self.quantized = [i for i, (name, parameter) in enumerate(named) if is_quantized(name, parameter)]
        matrices = [master for master in self.masters if master.ndim == 2]
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
            through = fake_quantize([self.masters[i] for i in self.quantized])
            torch._foreach_copy_([self.copies[i] for i in self.quantized], through)

    def update(self, learning_rate: float) -> None:
        """Applies the copy's gradients to the full-precision weights."""
        for master, copy in zip(self.masters, self.copies, strict=True):
            master.grad = copy.grad
            copy.grad = None
        nn.utils.clip_grad_norm_(self.masters, self.gradient_norm)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.optimizer.step()

    def save(self, folder: Path, step: int, steps: int) -> None:
        arrays = {
            name: master.detach().float().cpu().numpy() for name, master in zip(self.names, self.masters, strict=True)
        }
        partial = folder / "checkpoint.partial.npz"
        np.savez(partial, steps=step, **arrays)
        partial.replace(folder / "checkpoint.npz")
        state = {"step": step, "steps": steps, "masters": self.masters, "optimizer": self.optimizer.state_dict()}
        torch.save(state, folder / "state.partial.pt")
        (folder / "state.partial.pt").replace(folder / "state.pt")

    def resume(self, folder: Path) -> tuple[int, int]:
        """Loads what `save` wrote: the step that was done last, and the steps in all."""
        state = torch.load(folder / "state.pt", map_location=self.masters[0].device, weights_only=False)
        with torch.no_grad():
            torch._foreach_copy_(self.masters, state["masters"])
        self.optimizer.load_state_dict(state["optimizer"])
        return state["step"], state["steps"]


def learning_rate(recipe: Recipe, step: int, steps: int) -> float:
    """Linear warm-up, the peak, then a line down to the final share of it."""
    if step < recipe.warmup_steps:
        return recipe.peak_learning_rate * (step + 1) / recipe.warmup_steps
    left = min(1.0, (steps - step) / (recipe.falling_share * steps))
    low = recipe.final_learning_rate_share
    return recipe.peak_learning_rate * (low + (1 - low) * left)


class Trainer:
    def __init__(self, model: Decoder, recipe: Recipe, device: torch.device, *, compiled: bool) -> None:
        self.model = model
        self.recipe = recipe
        self.device = device
        self.weights = TrainedWeights(model, recipe)
        self.loss = torch.compile(self._loss) if compiled else self._loss

    def _loss(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        with torch.autocast(self.device.type, torch.bfloat16):
            logits, balance = self.model(batch[:, :-1])
        return F.cross_entropy(logits.float().flatten(0, 1), batch[:, 1:].flatten()), balance

    def step(self, batch: Tensor, rate: float, *, quantized: bool) -> Tensor:
        self.weights.load(quantized=quantized)
        loss, balance = self.loss(batch)
        (loss + self.recipe.balance_weight * balance).backward()
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
        starts = range(0, count - batch + 1, batch)[: self.recipe.validation_batches]
        losses = [self.loss(rows[i : i + batch].long())[0] for i in starts]
        return torch.stack(losses).mean().item() if losses else math.nan

    def compile(self) -> None:
        """Compiles both forms of the loss; changes nothing."""
        batch = torch.zeros(self.recipe.batch, self.model.config.context_length + 1, dtype=torch.long, device=self.device)
        loss, balance = self.loss(batch)
        (loss + self.recipe.balance_weight * balance).backward()
        for copy in self.weights.copies:
            copy.grad = None
        with torch.no_grad():
            self.loss(batch)

    def now(self) -> float:
        """Seconds on a clock, read when the device has done what was asked of it."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.monotonic()


class Log:
    """log.csv and the same rows on standard output."""

    COLUMNS = ("step", "seconds", "learning_rate", "training_loss", "validation_bpb", "validation_bpb_q4_0", "chat_nats_q4_0")

    def __init__(self, path: Path, *, resumed: bool) -> None:
        self.file = path.open("a" if resumed else "w", newline="")
        self.writer = csv.writer(self.file, lineterminator="\n")
        if not resumed:
            self._write(*self.COLUMNS)

    def add(self, step: int, seconds: float, rate: float, *figures: float) -> None:
        self._write(step, f"{seconds:.1f}", f"{rate:.3g}", *(f"{figure:.4f}" for figure in figures))

    def _write(self, *row: object) -> None:
        self.writer.writerow(row)
        self.file.flush()
        print(*row, flush=True)


def is_last(share: float, step: int, steps: int | None) -> bool:
    """Whether a step, counted from 1, is among the last so many."""
    return steps is not None and step > steps * (1 - share)


def steps_of(folder: Path | None) -> int | None:
    path = folder / "steps" if folder else None
    return int(path.read_text()) if path and path.exists() else None


def train(arguments: argparse.Namespace, recipe: Recipe) -> None:
    started = time.monotonic()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(recipe.seed)
    torch.set_float32_matmul_precision("high")
    config = replace(ModelConfig(), moh=not arguments.dense)
    trainer = Trainer(Decoder(config).to(device), recipe, device, compiled=not arguments.no_compile)
    trainer.compile()
    print(f"compiled after {trainer.now() - started:.1f} s", flush=True)
    while not (arguments.data / "written.npz").exists():
        time.sleep(WAITING_SECONDS)
    sources = Sources(arguments.data, device, recipe.seed)
    bits_per_byte = len(sources.validation) / sources.validation_bytes / math.log(2)
    arguments.out.mkdir(parents=True, exist_ok=True)
    steps = arguments.steps
    done = 0
    if arguments.resume:
        done, steps = trainer.weights.resume(arguments.out)
        for step in range(1, done + 1):
            sources.rows(recipe.batch, config.context_length, falling=is_last(recipe.falling_share, step, steps))
    log = Log(arguments.out / "log.csv", resumed=arguments.resume)

    def evaluate(step: int, rate: float, loss: float) -> None:
        plain = trainer.validation_loss(sources.validation, quantized=False) * bits_per_byte
        q4_0 = trainer.validation_loss(sources.validation, quantized=True) * bits_per_byte
        chats = trainer.validation_loss(sources.chats, quantized=True)
        log.add(step, time.monotonic() - started, rate, loss, plain, q4_0, chats)

    evaluate(done, 0.0, math.nan)
    first, step = done, done
    losses: list[Tensor] = []
    while steps is None or step < steps:
        step += 1
        # Until the speed is known, all that matters of the number of steps is that it lies beyond the warm-up.
        rate = learning_rate(recipe, step - 1, steps or 1_000_000)
        batch = sources.rows(recipe.batch, config.context_length, falling=is_last(recipe.falling_share, step, steps))
        losses.append(trainer.step(batch, rate, quantized=is_last(recipe.quantized_share, step, steps)))
        if step == first + recipe.warm_steps:
            timed_from = trainer.now()
        if step == first + recipe.warm_steps + recipe.timed_steps:
            now = trainer.now()
            seconds_a_step = (now - timed_from) / recipe.timed_steps
            if steps is None and arguments.steps_of is None:
                left = arguments.minutes * 60 - (now - started)
                steps = step + int(recipe.training_share * left / seconds_a_step)
                (arguments.out / "steps").write_text(str(steps))
            speed = recipe.batch * config.context_length / seconds_a_step
            print(f"start {timed_from - started:.1f} s, {speed:,.0f} tokens/s, {steps} steps", flush=True)
        if steps is None and step % 10 == 0:
            steps = steps_of(arguments.steps_of)
        if steps is not None and (step % max(1, steps // recipe.evaluations) == 0 or step == steps):
            evaluate(step, rate, torch.stack(losses).mean().item())
            losses.clear()
            trainer.weights.save(arguments.out, step, steps)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--steps-of", type=Path, help="as many steps as the run that writes this folder")
    parser.add_argument("--dense", action="store_true")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--batch", type=int, default=Recipe.batch)
    parser.add_argument("--no-compile", action="store_true")
    arguments = parser.parse_args()
    train(arguments, Recipe(batch=arguments.batch))


if __name__ == "__main__":
    main()
