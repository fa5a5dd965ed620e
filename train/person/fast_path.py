"""The path without networks: anchors that RANSAC keeps, the homography of a frame and the few displacement fields that are left of the warp, and the texture
that is fitted to what they show."""

import math

import torch
import torch.nn.functional as F

from body import homography, run, transfer


class FastPath:
    """Where the body's texture is looked up without networks. The homography of a frame is the least squares of all anchors. What it leaves at the anchors says
    how much of each displacement field (`fields` [2 k, t, t], x and y of a field one after the other) is added; without fields it is the homography alone."""

    def __init__(self, scene, anchors, targets, fields=None, pad=0.1):
        self.scene, self.anchors, self.targets, self.fields, self.pad = scene, anchors, targets, fields, pad
        if fields is not None:
            at_anchors = self.displacements(targets)
            self.solve = torch.linalg.pinv(at_anchors.permute(0, 2, 1).reshape(2 * len(targets), -1).double())

    def displacements(self, place):
        """What the fields say at places [n, 2] of the texture, which reaches `pad` pictures beyond the picture: [n, k, 2]."""
        grid = (2 * place - 1) / (1 + 2 * self.pad)
        found = F.grid_sample(self.fields[None], grid[None, None], mode="bilinear", padding_mode="border", align_corners=False)
        return found[0, :, 0].T.reshape(len(place), -1, 2)

    def seen(self, matrices):
        return self.scene.placed(matrices, self.anchors["position"], self.anchors["skin"])

    def homography(self, matrices):
        return homography(self.seen(matrices), self.targets)

    def at(self, matrices, uv):
        """The places in the texture of uv [n, 2] in the picture of a pose."""
        matrix, seen = self.homography(matrices), self.seen(matrices)
        place = transfer(matrix, uv)
        if self.fields is None:
            return place
        return place + (self.displacements(place) * self.shares(matrix, seen).to(uv)[:, None]).sum(1)

    def shares(self, matrix, seen):
        """How much of each field there is where the anchors are `seen`: the least squares of what the homography leaves."""
        return self.solve @ (self.targets - transfer(matrix, seen)).reshape(-1).double()


@torch.no_grad()
def trusted(scene, anchors, targets, frames_used=100, trials=50, subset=100, residual=0.0125):
    """The anchors that RANSAC keeps: near to their targets through the best homography in nine of ten frames."""
    generator = torch.Generator().manual_seed(29)
    used = scene.train[:: max(1, len(scene.train) // frames_used)][:frames_used]
    votes = torch.zeros(len(targets), device=targets.device)
    candidates = ((targets > 0) & (targets < 1)).all(1).nonzero()[:, 0]
    for i in used:
        seen = scene.place(i, anchors["position"], anchors["skin"])
        votes[best_inliers(seen, targets, candidates, trials, min(subset, len(candidates) // 2), residual, generator)] += 1
    kept = (votes >= 0.9 * len(used)).nonzero()[:, 0]
    return kept if len(kept) >= 16 else votes.argsort(descending=True)[: max(16, len(targets) // 4)]


def best_inliers(seen, targets, candidates, trials, subset, residual, generator):
    best = None
    for _ in range(trials):
        chosen = candidates[torch.randperm(len(candidates), generator=generator)[:subset].to(candidates.device)]
        matrix = homography(seen[chosen], targets[chosen])
        good = candidates[(transfer(matrix, seen[candidates]) - targets[candidates]).norm(dim=1) < residual]
        if best is None or len(good) > len(best):
            best = good
    return best


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


@torch.no_grad()
def principal_fields(path, points, targets, count=4, size=77, roughness=0.01, steps=80):
    """[2 count, size, size]: the displacements that explain most, by squares, of what the homographies of training leave at points of the body whose place in
    the texture is known. Each is as large as it is on average, so that its share in a frame is about 1."""
    scene = path.scene
    left = []
    for i in scene.train[:: max(1, len(scene.train) // 200)]:
        matrix = path.homography(scene.matrices[i])
        left.append(targets - transfer(matrix, scene.place(i, points["position"], points["skin"])))
    left = torch.stack(left).flatten(1)
    _, values, vectors = torch.linalg.svd(left, full_matrices=False)
    wanted = (vectors[:count] * (values[:count, None] / math.sqrt(len(left)))).reshape(count, -1, 2).permute(1, 0, 2).flatten(1)
    print("left of the homography, px:", (values[:8] / math.sqrt(left.numel() / 2) * scene.size).tolist(), flush=True)
    return gridded(wanted, targets, size, path.pad, roughness, steps)


def gridded(wanted, places, size, pad, roughness, steps):
    """The grid [c, size, size] whose bilinear samples at `places` are nearest to `wanted` [n, c], and which is smooth between: conjugate gradients."""
    grid = ((2 * places - 1) / (1 + 2 * pad))[None, None]
    weight = roughness * len(places) / size**2

    def gradient(texture, goal):
        with torch.enable_grad():
            texture = texture.detach().requires_grad_(True)
            found = F.grid_sample(texture[None], grid, mode="bilinear", padding_mode="border", align_corners=False)[0, :, 0].T
            rough = (texture[:, 1:] - texture[:, :-1]).pow(2).sum() + (texture[:, :, 1:] - texture[:, :, :-1]).pow(2).sum()
            return torch.autograd.grad(((found - goal).pow(2).sum() + weight * rough) / 2, texture)[0]

    found = wanted.new_zeros(wanted.shape[1], size, size)
    return conjugate(lambda x: gradient(x, 0), found, -gradient(found, wanted), steps)


def conjugate(through, start, residual, steps, told=lambda step, state: None, taken=None):
    """Conjugate gradients for a symmetric operator: `residual` is that of `start`. `taken` is a state that `told` was given, to go on from."""
    found, residual, way, done = taken or (start.clone(), residual, residual.clone(), 0)
    for step in range(int(done), steps):
        length = residual.pow(2).sum()
        moved = through(way)
        stride = length / (way * moved).sum()
        found, residual = found + stride * way, residual - stride * moved
        way = residual + residual.pow(2).sum() / length * way
        told(step + 1, (found, residual, way, torch.tensor(step + 1)))
    return found


class Fit:
    """The texture whose pictures at known places [n, 2] of each frame's lower rows differ least, by squares, from the frames of training where the head leaves the
    body free. Texels that no frame shows stay."""

    def __init__(self, scene, body, places, ridge=0.01, together=8):
        self.body, self.ridge = body, ridge * len(places)
        frames = list(places)
        groups = [frames[k : k + together] for k in range(0, len(frames), together)]
        self.places = [torch.cat([places[i] for i in group]) for group in groups]
        self.rgb, self.free, self.mask = ([torch.cat(part) for part in parts] for parts in zip(*(zip(*map(scene.lower, group)) for group in groups)))

    def spread(self, shape, values):
        """The transposed sampling: Σ of what `values` (a generator, [n, c] a group) weigh at their places, in a texture [c, s, s]."""
        total = torch.zeros(shape, device=self.places[0].device)
        zero = torch.zeros(shape, device=total.device, requires_grad=True)
        for places, value in zip(self.places, values):
            with torch.enable_grad():
                found = self.body.sample(zero, places)
            total += torch.autograd.grad(found, zero, value)[0]
        return total

    @torch.no_grad()
    def solve(self, start, factors, truths, steps, kept):
        """Texture [c, s, s] that least squares find for factor · sample = truth, near `start`. `kept` names a file: the same call goes on from there."""
        sampled = lambda texture: (self.body.sample(texture, places) for places in self.places)
        through = lambda way: self.spread(way.shape, (factor.pow(2) * value for factor, value in zip(factors, sampled(way)))) + self.ridge * way
        missing = (factor * (truth - factor * value) for factor, truth, value in zip(factors, truths, sampled(start)))
        taken = torch.load(kept, weights_only=True, map_location=start.device) if kept.exists() else None

        def told(step, state):
            torch.save(state, kept)
            if step % 5 == 0:
                print(f"{kept.stem} {step} of {steps} steps, residual {state[1].norm().item():.4g}", flush=True)

        return conjugate(through, start, None if taken else self.spread(start.shape, missing), steps, told, taken).clamp(0, 1)

    def texture(self, start, steps, folder, name):
        """Alpha first, and colours under it."""
        alpha = self.solve(start[3:], self.free, self.mask, steps, folder / f"{name}-alpha.pt")
        factors = [free * self.body.sample(alpha, places) for free, places in zip(self.free, self.places)]
        color = self.solve(start[:3], factors, self.rgb, steps, folder / f"{name}-color.pt")
        return torch.cat([color, alpha])


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
