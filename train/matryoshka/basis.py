"""Orthogonal bases of the keys and values of every layer and key-value head: where they start, how they turn, what widths keep of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from budgets import BUDGETS, percent
from llama import Llama, Reduction, read_gguf

EIGHTHS = 8
"""Widths are multiples of an eighth of a head."""


@dataclass(frozen=True)
class Bases:
    """Of keys; values have theirs in the weights around them. Row j of a basis is its vector number j, most important first."""

    keys: Tensor
    """[layers, kv_heads, head_dim, head_dim]."""
    mean: Tensor
    """[layers, kv_heads, head_dim] of the values, in their basis."""

    def stored(self) -> "Bases":
        """As the file will hold them: vectors in half precision."""
        return Bases(self.keys.detach().half().float(), self.mean.detach().float())

    def reductions(self, widths: Tensor) -> list[Reduction]:
        """What each layer keeps at `widths` [(rows,) layers, 2, kv_heads], in eighths of a head."""
        widths = widths if widths.ndim == 4 else widths[None]
        dim = self.keys.shape[-1]
        kept = torch.arange(dim, device=widths.device) < (widths * (dim // EIGHTHS)).unsqueeze(-1)
        keep = kept.float().unsqueeze(-2)
        return [
            Reduction(self.keys[layer], self.mean[layer], keep[:, layer, 0], keep[:, layer, 1]) for layer in range(len(self.keys))
        ]


def of_file(path: Path, model: Llama) -> tuple[Bases, dict[float, Tensor]]:
    """What a file that is tuned for narrow caches keeps of them: bases, and widths [layers, 2, kv_heads] for budgets, in eighths."""
    metadata, arrays = read_gguf(path)
    layers = range(model.shape.layers)
    keys, mean = (
        torch.stack([torch.tensor(arrays[f"blk.{layer}.{name}.weight"]) for layer in layers]).float().to(model.device)
        for name in ("attn_k_basis", "attn_v_mean")
    )
    widths = {
        budget: torch.tensor(metadata[f"vitrail.matryoshka.widths.{percent(budget)}"], device=model.device).view(len(layers), 2, -1) * EIGHTHS // model.shape.head_dim
        for budget in BUDGETS
    }
    return Bases(keys, mean), widths


class TurnedBases(nn.Module):
    """A start turned by the Cayley transform of a skew-symmetric matrix, which stays orthogonal whatever the matrix.

    Turning the start, rather than parametrizing from the identity, begins at the skew-symmetric matrix 0, where the transform is well
    conditioned; both reach the same bases, those of determinant +1 (arXiv 2410.14731, section 3).
    """

    def __init__(self, start: Bases) -> None:
        super().__init__()
        self.register_buffer("start", start.keys)
        self.turn = nn.Parameter(torch.zeros_like(start.keys))
        self.mean = nn.Parameter(start.mean.clone())

    def forward(self) -> Bases:
        skew = (self.turn - self.turn.mT).double()
        one = torch.eye(skew.shape[-1], dtype=skew.dtype, device=skew.device)
        # Unlike `solve` it does not wait for the device to say that there was a solution: here there always is.
        turned = torch.linalg.solve_ex(one - skew / 2, one + skew / 2).result @ self.start.double()
        return Bases(turned.float(), self.mean)


@torch.no_grad()
def principal_components(model: Llama, batches: Iterator[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Eigenvectors of the covariance of rotated keys and of values, by falling eigenvalue, over batches of (tokens, offsets):
    [layers, 2, kv_heads, head_dim, head_dim]; and the values' mean [layers, kv_heads, head_dim]."""
    shape = model.shape
    sums = torch.zeros(shape.layers, 2, shape.kv_heads, shape.head_dim, dtype=torch.float64, device=model.device)
    squares = sums.unsqueeze(-1).repeat(1, 1, 1, 1, shape.head_dim)
    count = 0
    for tokens, offsets in batches:
        x, rotation = model.embed(tokens), model.rotation(tokens.shape[1], offsets)
        for layer in range(shape.layers):
            h = model.norm(x, f"blk.{layer}.attn_norm.weight")
            for part, states in enumerate(model.query_key_value(layer, h, rotation)[1:]):
                states = states.transpose(0, 1).flatten(1, 2).double()
                sums[layer, part] += states.sum(1)
                squares[layer, part] += states.mT @ states
            x = model.layer(layer, x, rotation)
        count += tokens.numel()
    mean = sums / count
    covariance = squares / count - mean.unsqueeze(-1) * mean.unsqueeze(-2)
    vectors = torch.linalg.eigh(covariance).eigenvectors.flip(-1).mT.contiguous()
    # The Cayley transform keeps the determinant, and only those of +1 hold the identity.
    vectors[..., 0, :] *= torch.linalg.det(vectors).sign().unsqueeze(-1)
    return vectors.float(), mean[:, 1].float()


def with_values_in(bases: Tensor, model: Llama) -> dict[str, Tensor]:
    """W_v and W_o of every layer for values in these bases [layers, kv_heads, head_dim, head_dim]; the model's outputs stay what they are."""
    weights = {}
    for layer, own in enumerate(bases.double()):
        v, output = f"blk.{layer}.attn_v.weight", f"blk.{layer}.attn_output.weight"
        heads, dim = own.shape[:2]
        rows = model.weights[v].double().unflatten(0, (heads, dim))
        columns = model.weights[output].double().unflatten(1, (heads, -1, dim))
        weights[v] = (own @ rows).flatten(0, 1).float()
        weights[output] = torch.einsum("nkgd,kjd->nkgj", columns, own).flatten(1).float()
    return weights


def in_values_of(other: Llama, model: Llama) -> dict[str, Tensor]:
    """W_v and W_o of a model for values in the bases that another has them in, as near as orthogonal ones come (a Procrustes problem)."""
    bases = []
    for layer in range(model.shape.layers):
        wanted, own = (one.weights[f"blk.{layer}.attn_v.weight"].double().unflatten(0, (-1, model.shape.head_dim)) for one in (other, model))
        left, _, right = torch.linalg.svd(wanted @ own.mT)
        bases.append(left @ right)
    return with_values_in(torch.stack(bases), model)


def random_widths(rows: int, shape: torch.Size, generator: torch.Generator) -> Tensor:
    """Widths in eighths, [rows, layers, 2, kv_heads]: whole in a quarter of the rows, else each of its own, from 1/8 to 8/8 or to 5/8.

    The paper draws all from 1/8 to 8/8; budgets here end at 25 %, where rows of wide heads teach little.
    """
    kind = torch.arange(rows, device=generator.device).view(-1, 1, 1, 1) % 4
    drawn = torch.rand((rows, *shape), generator=generator, device=generator.device)
    return torch.where(kind == 0, EIGHTHS, 1 + (drawn * torch.where(kind == 1, EIGHTHS, 5)).long())
