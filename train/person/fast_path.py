"""The path without networks: the baked texture, its anchors, and the fit of both to what that path shows."""

import math

import torch
import torch.nn.functional as F

from body import homography, run, transfer


@torch.no_grad()
def canonical_texture(scene, body):
    """[4, s, s]: coarse colour and the fine colour of the canonical frame."""
    size = body.image + 2 * body.pad
    rows, columns = torch.meshgrid(torch.arange(size, device=scene.device), torch.arange(size, device=scene.device), indexing="ij")
    uv = (torch.stack([columns, rows], 2).reshape(-1, 2) + 0.5 - body.pad) / body.image
    condition = scene.condition(body, 0)
    fine = torch.cat([run(body.fine, body.sample(body.latents, part), condition) for part in uv.split(65536)])
    texture = body.coarse.clone()
    texture[:3] += fine.T.reshape(3, size, size)
    return texture.clamp(0, 1)


@torch.no_grad()
def bake(scene, body, anchors, frames_used=100, trials=1000, subset=100, residual=0.0125):
    """The fast path: texture [4, s, s] with the canonical fine colour, and the anchors that RANSAC keeps with their targets."""
    device, condition, texture = scene.device, scene.condition(body, 0), canonical_texture(scene, body)
    rest = scene.place(0, anchors["position"], anchors["skin"])
    targets = rest + body.displace(rest, condition)
    inside = ((rest > 0) & (rest < 1)).all(1)
    generator = torch.Generator().manual_seed(29)
    used = scene.train[:: max(1, len(scene.train) // frames_used)][:frames_used]
    votes = torch.zeros(len(rest), device=device)
    candidates = inside.nonzero()[:, 0]
    for i in used:
        seen = scene.place(i, anchors["position"], anchors["skin"])
        votes[best_inliers(seen, targets, candidates, max(10, trials // 20), min(subset, len(candidates) // 2), residual, generator)] += 1
    kept = (votes >= 0.9 * len(used)).nonzero()[:, 0]
    if len(kept) < 16:
        kept = votes.argsort(descending=True)[: max(16, len(rest) // 4)]
    return {"texture": texture, "kept": kept, "targets": targets[kept], "votes": votes}


def best_inliers(seen, targets, candidates, trials, subset, residual, generator):
    best = None
    for _ in range(trials):
        chosen = candidates[torch.randperm(len(candidates), generator=generator)[:subset].to(candidates.device)]
        matrix = homography(seen[chosen], targets[chosen])
        good = candidates[(transfer(matrix, seen[candidates]) - targets[candidates]).norm(dim=1) < residual]
        if best is None or len(good) > len(best):
            best = good
    return best


def seen_at(scene, anchors, targets, i, uv):
    """Where the fast path looks in its texture for places uv [n, 2] of frame i."""
    return transfer(homography(scene.place(i, anchors["position"], anchors["skin"]), targets), uv)


def nearest_energy(scene, body, targets, texture):
    """[anchors]: the texture's squared gradients that are nearer to an anchor's target than to another's, where the canonical frame shows the body."""
    right = texture[:3, 1:-1, 2:] - texture[:3, 1:-1, :-2]
    below = texture[:3, 2:, 1:-1] - texture[:3, :-2, 1:-1]
    first, last = body.pad - 1, body.pad - 1 + body.image
    energy = (right.pow(2) + below.pow(2)).sum(0)[first:last, first:last]
    _, head, mask = scene.frame(0)
    shown = ((mask > 0.99) & (head == 0)).float()[None, None, :, :, 0]
    energy = energy * F.interpolate(shown, size=energy.shape)[0, 0]
    rows, columns = energy.nonzero().unbind(1)
    places = (torch.stack([columns, rows], 1) + 0.5) / body.image
    total = torch.zeros(len(targets), device=targets.device)
    for place, value in zip(places.split(8192), energy[rows, columns].split(8192)):
        total.index_add_(0, torch.cdist(place, targets).argmin(1), value)
    return total


def drawn(weights, count):
    """`count` numbers in proportion to weights, in even steps of their sum: no chance, and repetitions stand for weights."""
    steps = (torch.arange(count, device=weights.device) + 0.5) / count
    return torch.searchsorted(weights.double().cumsum(0) / weights.double().sum(), steps.double()).clamp(max=len(weights) - 1)


class Fit:
    """The texture whose pictures through the fast path differ least, by squares, from the frames of training where the head leaves the body
    free. A bake shows the canonical frame through the warp; one homography a frame puts it elsewhere. Texels that no frame shows stay."""

    def __init__(self, scene, body, anchors, targets, ridge=0.01):
        self.scene, self.body, self.ridge = scene, body, ridge * len(scene.train)
        grid = scene.grid()
        self.places = {i: seen_at(scene, anchors, targets, i, grid) for i in scene.train}

    def frame(self, i):
        """Premultiplied rgb, what the head leaves free, and the body's mask, of the lower rows."""
        rgb, head, mask = (x.reshape(-1, x.shape[2])[self.scene.top * self.scene.size :] for x in self.scene.frame(i))
        return rgb, 1 - head, mask

    def spread(self, shape, values_of):
        """The transposed sampling: Σ over frames of what `values_of(i)` [n, c] weighs at their places, in a texture [c, s, s]."""
        with torch.enable_grad():
            zero = torch.zeros(shape, device=self.scene.device, requires_grad=True)
            total = torch.zeros_like(zero)
            for i, places in self.places.items():
                total += torch.autograd.grad(self.body.sample(zero, places), zero, values_of(i))[0]
        return total

    @torch.no_grad()
    def solve(self, start, factor_of, truth_of, steps, kept=None):
        """Texture [c, s, s] that least squares find for factor · sample = truth, near `start`, by conjugate gradients. `kept` names a file: the same
        call goes on from there."""
        squared = lambda texture: lambda i: self.body.sample(texture, self.places[i]) * factor_of(i).pow(2)
        if kept and kept.exists():
            found, residual, way, done = torch.load(kept, weights_only=True, map_location=self.scene.device)
        else:
            missing = lambda i: factor_of(i) * (truth_of(i) - factor_of(i) * self.body.sample(start, self.places[i]))
            residual = self.spread(start.shape, missing)
            found, way, done = start.clone(), residual.clone(), torch.tensor(0)
        for step in range(int(done), steps):
            length = residual.pow(2).sum()
            through = self.spread(start.shape, squared(way)) + self.ridge * way
            stride = length / (way * through).sum()
            found, residual = found + stride * way, residual - stride * through
            way = residual + residual.pow(2).sum() / length * way
            print(f"fit {step + 1} of {steps} steps, residual {length.sqrt().item():.4g}", flush=True)
            if kept:
                torch.save((found, residual, way, torch.tensor(step + 1)), kept)
        return found.clamp(0, 1)

    def texture(self, start, steps, folder=None):
        """Alpha first, and colours under it."""
        file = lambda name: folder and folder / f"fit-{name}.pt"
        alpha = self.solve(start[3:], lambda i: self.frame(i)[1], lambda i: self.frame(i)[2], steps, file("alpha"))
        under = {i: self.body.sample(alpha, places) for i, places in self.places.items()}
        color = self.solve(start[:3], lambda i: self.frame(i)[1] * under[i], lambda i: self.frame(i)[0], steps, file("color"))
        return torch.cat([color, alpha])


def fitted(scene, body, anchors, targets, texture, steps, count=512, folder=None):
    """(numbers of the anchors, texture): anchors repeat as often as the texture around them asks for, and the texture is fitted to their homographies."""
    chosen = drawn(nearest_energy(scene, body, targets, texture), count)
    fit = Fit(scene, body, {name: value[chosen] for name, value in anchors.items()}, targets[chosen])
    return chosen, fit.texture(texture, steps, folder)


@torch.no_grad()
def torso_psnr(scene, chosen, layer_of):
    """PSNR, dB, of `layer_of(i)` (rgb [n, 3], alpha [n, 1] of the lower rows) over white, where the torso is and the head is not."""
    squares, count = 0.0, 0
    for i in chosen:
        rgb, head, mask = (x.reshape(-1, x.shape[2])[scene.top * scene.size :] for x in scene.frame(i))
        color, alpha = (x.clamp(0, 1) for x in layer_of(i))
        where = (mask[:, 0] > 0.5) & (head[:, 0] == 0)
        squares += ((color * alpha + 1 - alpha) - (rgb + 1 - mask))[where].pow(2).sum().item()
        count += 3 * int(where.sum())
    return -10 * math.log10(squares / count)


def layer_of_texture(scene, body, anchors, targets, texture):
    """What `torso_psnr` asks of the fast path."""
    def layer(i):
        found = body.sample(texture, seen_at(scene, anchors, targets, i, scene.grid()))
        return found[:, :3], found[:, 3:]

    return layer
