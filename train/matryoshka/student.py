"""What is tuned: weights of a model, bases of its keys, and what its values are taken for where they are left out."""

import numpy as np
import torch
from torch import Tensor

from basis import Bases, TurnedBases, with_values_in
from llama import Llama
from rounding import GROUP, packed, rounded

BASIS_RATE = 1e-3
BETAS = (0.9, 0.95)
GRADIENT_NORM = 1.0


class Student:
    """Weights in full precision, which steps are applied to, and copies of them as a file will hold them, which the model runs on.

    The gradient of a copy moves its weight (straight-through estimation, arXiv 1308.3432). All weights are tuned but the routers', and in a
    file in Q4_1 the embedding, which it has in Q8_0. They stay in the form that they have.
    """

    def __init__(self, model: Llama, vectors: Tensor, mean: Tensor, rate: float = 0, compiles: bool = False) -> None:
        """Begins as the model with these bases of keys and values [layers, 2, kv_heads, head_dim, head_dim]; `mean` as values are without."""
        keys, values = vectors.unbind(1)
        if model.form is None:
            raise ValueError("weights are tuned in Q4_0 and Q4_1")
        self.form, self.shape = model.form, model.shape
        self.rounded = torch.compile(rounded, dynamic=True) if compiles else rounded
        turned = model.weights | with_values_in(values, model)
        self.weights = {name: turned[name].float().clone().requires_grad_() for name in turned if self._is_tuned(name)}
        self.copies = {name: weight.detach().clone().requires_grad_() for name, weight in self.weights.items()}
        self.bases = TurnedBases(Bases(keys, torch.einsum("lkjd,lkd->lkj", values, mean))).to(model.device)
        groups = [(rate, [*self.weights.values()]), (BASIS_RATE, [*self.bases.parameters()])]
        self.optimizer = torch.optim.Adam(
            [{"params": own, "peak": rate} for rate, own in groups], betas=BETAS, fused=model.device.type == "cuda"
        )
        self.parameters = [parameter for _, own in groups for parameter in own]

    def _is_tuned(self, name: str) -> bool:
        return "moh_" not in name and (self.form == "Q4_0" or name != "token_embd.weight")

    @torch.no_grad()
    def round(self) -> None:
        for name, weight in self.weights.items():
            self.copies[name].copy_(self.rounded(weight.view(-1, GROUP), self.form).view_as(weight) if weight.ndim == 2 else weight)

    def step(self, gradients: list[Tensor], share: float) -> None:
        """Applies gradients of the copies, at this share of the rates; those of the bases are where `backward` left them."""
        for weight, gradient in zip(self.weights.values(), gradients, strict=True):
            weight.grad = gradient
        torch.nn.utils.clip_grad_norm_(self.parameters, GRADIENT_NORM)
        for group in self.optimizer.param_groups:
            group["lr"] = share * group["peak"]
        self.optimizer.step()
        self.bases.zero_grad(set_to_none=True)

    @torch.no_grad()
    def stored(self, model: Llama) -> tuple[Llama, Bases]:
        """The model and its bases as the file will hold them."""
        self.round()
        return model.with_weights({name: copy.detach() for name, copy in self.copies.items()}, self.shape), self.bases().stored()

    def tensors(self) -> dict[str, np.ndarray]:
        """Of the file, by their names there: bytes of rounded ones."""
        found = {
            name: packed(weight.detach(), self.form) if weight.ndim == 2 else weight.detach().cpu().numpy()
            for name, weight in self.weights.items()
        }
        bases = self.bases().stored()
        for layer, (basis, mean) in enumerate(zip(bases.keys.cpu().numpy(), bases.mean.cpu().numpy(), strict=True)):
            found[f"blk.{layer}.attn_k_basis.weight"] = basis.astype(np.float16)
            found[f"blk.{layer}.attn_v_mean.weight"] = mean.astype(np.float32)
        return found

    def state(self) -> dict:
        return {"weights": self.weights, "bases": self.bases.state_dict(), "optimizer": self.optimizer.state_dict()}

    @torch.no_grad()
    def load(self, state: dict) -> None:
        for name, weight in self.weights.items():
            weight.copy_(state["weights"][name])
        self.bases.load_state_dict(state["bases"])
        self.optimizer.load_state_dict(state["optimizer"])
