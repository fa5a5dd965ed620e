"""Trains the person as Gaussian Head & Shoulders (arXiv 2405.12069): splats for the head, a neural texture for the body; then the texture's bake,
the filtered anchors, and a baseline of splats alone. Stops after --minutes; the same command goes on from the last checkpoint."""

import argparse
import json
import time
from pathlib import Path

import torch
import torch.nn.functional as F

import frames
from body import Body, homography, transfer
from fast_path import bake, fitted
from geometry import CAMERA, JOINTS, LANDMARKS, blended, moved, project, skin_matrices, skin_weights, view_of
from png import write_png
from shade import render
from splats import draw
from subject import HAIR, KNIT, Subject


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("mesh")
    parser.add_argument("track")
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=8.5)
    parser.add_argument("--frames", type=int, default=420)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--over", type=int, default=3)
    parser.add_argument("--splats", type=int, default=19000)
    parser.add_argument("--body-splats", type=int, default=12000)
    parser.add_argument("--strands", type=int, default=9000)
    parser.add_argument("--occlusion", type=int, default=128)
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--baseline-steps", type=int, default=2500)
    parser.add_argument("--seconds", type=float, default=240, help="of the main stage at most; the learning rates fall over it")
    parser.add_argument("--baseline-seconds", type=float, default=110)
    parser.add_argument("--warp-seconds", type=float, default=35, help="of the warp network alone, on points of the sweater")
    parser.add_argument("--warp-points", type=int, default=2048, help="of each of four frames a step")
    parser.add_argument("--apart", action="store_true", help="without a GPU: head at half the size and body by samples of pixels, one after the other")
    parser.add_argument("--fit-steps", type=int, default=15, help="of the baked texture, at the end")
    parser.add_argument("--body-pixels", type=int, default=6144, help="of a step with --apart")
    return parser.parse_args()


class Clock:
    def __init__(self, minutes):
        self.end = time.time() + minutes * 60

    def over(self):
        return time.time() > self.end


def seed_splats(subject, shown, tints, count, body, generator):
    """Splats on triangles that the frames show, `body` or head, as many as their pixels ask for; hair lies along its strands."""
    knit = subject.material == KNIT
    chance = shown.pow(0.6) * (knit if body else ~knit)
    corners = subject.rest[subject.triangles]
    # A triangle of the eyes' and mouth's neighbourhood counts more: what people look at.
    centre = corners.mean(1)
    if not body:
        near = lambda x, y, r: torch.exp(-(((centre[:, 0].abs() - x) ** 2 + (centre[:, 1] - y) ** 2) / r**2)) * (centre[:, 2] > 0.05)
        chance = chance * (1 + 3.0 * near(0.032, 0.228, 0.022) + 1.5 * near(0.0, 0.157, 0.03) + 0.7 * near(0.0, 0.19, 0.06))
        chance = torch.where(subject.material == HAIR, chance * 0.55, chance)
    pick = torch.multinomial(chance.cpu().double(), count, replacement=True, generator=generator).to(corners.device)
    bary = torch.distributions.Dirichlet(torch.ones(3)).sample((count,)).to(corners.device)
    corner = subject.triangles[pick]
    blend = lambda values: (values[corner] * bary[:, :, None]).sum(1)
    position = blend(subject.rest)
    a, b, c = corners[pick].unbind(1)
    normal = F.normalize(torch.linalg.cross(b - a, c - a), dim=1, eps=1e-12)
    strand = subject.tangent[corner[:, 0]]
    along = F.normalize(torch.where((strand.norm(dim=1) > 0.5)[:, None], strand, b - a), dim=1)
    frame = torch.stack([along, F.normalize(torch.linalg.cross(normal, along), dim=1), normal], 2)
    radius = nearest_distance(position).clamp(4e-4, 6e-3)
    hair = subject.material[pick] == HAIR
    scale = torch.stack([radius * torch.where(hair, 3.2, 0.9), radius * torch.where(hair, 0.5, 0.9), radius * 0.3], 1)
    tint = tints[pick]
    near = torch.where(hair.to(position.device), -1, subject.nearest[corner[:, 0]])
    return {"position": position, "rotation": matrix_quaternion(frame), "scale": scale.log(), "opacity": torch.full((count,), 1.2, device=position.device),
            "color": torch.where(tint.isnan(), torch.full_like(tint, 0.45), tint), "sh": torch.zeros(count, 3, 3, device=position.device),
            "skin": blend(subject.skin), "morphs": gather_morphs(subject, corner, bary, near >= 0), "base": position.clone()}


def gather_morphs(subject, corner, bary, has):
    """[expressions, n, 3] deltas of the splats' triangles."""
    near = subject.nearest[corner]
    deltas = subject.morphs[:, near.clamp(min=0)] * bary[None, :, :, None]
    return deltas.sum(2) * has[None, :, None]


def nearest_distance(points, chunk=2048):
    found = []
    for part in points.split(chunk):
        distance = torch.cdist(part, points)
        found.append(distance.topk(4, largest=False).values[:, 1:].mean(1))
    return torch.cat(found)


def matrix_quaternion(m):
    """Rotation matrices [n, 3, 3] -> unit quaternions w, x, y, z: of the four proportional forms the one with the largest divisor (Shepperd 1978)."""
    trace = m[:, 0, 0] + m[:, 1, 1] + m[:, 2, 2]
    forms = torch.stack([
        torch.stack([1 + trace, m[:, 2, 1] - m[:, 1, 2], m[:, 0, 2] - m[:, 2, 0], m[:, 1, 0] - m[:, 0, 1]], 1),
        torch.stack([m[:, 2, 1] - m[:, 1, 2], 1 + m[:, 0, 0] - m[:, 1, 1] - m[:, 2, 2], m[:, 0, 1] + m[:, 1, 0], m[:, 0, 2] + m[:, 2, 0]], 1),
        torch.stack([m[:, 0, 2] - m[:, 2, 0], m[:, 0, 1] + m[:, 1, 0], 1 + m[:, 1, 1] - m[:, 0, 0] - m[:, 2, 2], m[:, 1, 2] + m[:, 2, 1]], 1),
        torch.stack([m[:, 1, 0] - m[:, 0, 1], m[:, 0, 2] + m[:, 2, 0], m[:, 1, 2] + m[:, 2, 1], 1 + m[:, 2, 2] - m[:, 0, 0] - m[:, 1, 1]], 1)], 1)
    best = forms.diagonal(dim1=1, dim2=2).argmax(1)
    return F.normalize(forms[torch.arange(len(m), device=m.device), best], dim=1)


RATES = {"position": 4e-5, "rotation": 2e-3, "scale": 8e-3, "opacity": 2.5e-2, "color": 8e-3, "sh": 1e-3}


def splat_optimizer(splats):
    for name in RATES:
        splats[name].requires_grad_(True)
    return torch.optim.Adam([{"params": [splats[name]], "lr": rate, "base": rate} for name, rate in RATES.items()], eps=1e-12)


def structure(a, b):
    """1 - SSIM of pictures [h, w, c] with a window of 11 pixels (uniform)."""
    a, b = a.permute(2, 0, 1)[None], b.permute(2, 0, 1)[None]
    pool = lambda x: F.avg_pool2d(x, 11, 1)
    ma, mb = pool(a), pool(b)
    va, vb, cov = pool(a * a) - ma * ma, pool(b * b) - mb * mb, pool(a * b) - ma * mb
    return 1 - (((2 * ma * mb + 1e-4) * (2 * cov + 9e-4)) / ((ma * ma + mb * mb + 1e-4) * (va + vb + 9e-4))).mean()


class Scene:
    """Frames, camera and what a frame's pose means for splats and body."""

    def __init__(self, subject, data, size):
        self.subject, self.data, self.size, self.device = subject, data, size, subject.device
        self.view = view_of(CAMERA, size, subject.device)
        self.eye = torch.tensor(CAMERA["position"], device=subject.device)
        self.count = len(data["weights"])
        self.away = [i for i in range(self.count) if data["turns"][i, 0, 1] != 0]
        front = [i for i in range(self.count) if i not in set(self.away)]
        self.test = [i for i in front[9::13] if i < data["drawn"]]
        self.train = [i for i in front if i not in set(self.test)]
        self.matrices = torch.stack([skin_matrices(t, s) for t, s in zip(data["turns"], data["shift"])])
        marks = torch.tensor(LANDMARKS, device=subject.device)
        self.marks = [self.place(i, marks, skin_weights(marks)) for i in range(self.count)]
        body = data["pictures"][self.train + self.test][:, :, :, 4].amax(0).amax(1) > 0
        self.top = max(0, int(body.nonzero()[0]) - 4)

    def place(self, i, points, skin):
        """Points of the body in frame i, uv."""
        return project(moved(points, blended(self.matrices[i], skin)), self.view, self.size)[0]

    def frame(self, i):
        """Premultiplied rgb, head and body masks."""
        picture = self.data["pictures"][i].float() / 255
        return picture[..., :3], picture[..., 3:4], picture[..., 4:5]

    def splats(self, splats, i):
        return draw(splats, self.matrices[i], self.data["weights"][i], self.view, self.eye, self.size)

    def condition(self, body, i):
        data = self.data
        return body.condition(data["turns"][i, 1:3].reshape(-1), data["shift"][i] * 10, self.marks[i])

    def grid(self):
        """uv of the rows that the body reaches, [n, 2]."""
        rows, columns = torch.meshgrid(torch.arange(self.top, self.size, device=self.device), torch.arange(self.size, device=self.device), indexing="ij")
        return (torch.stack([columns, rows], 2).reshape(-1, 2) + 0.5) / self.size

    def under(self, front, rgb, alpha):
        """Splats over a body layer of the lower rows: premultiplied rgb and alpha."""
        rgb, alpha = rgb.reshape(-1, self.size, 3), alpha.reshape(-1, self.size, 1)
        layer = F.pad(torch.cat([rgb * alpha, alpha], 2), (0, 0, 0, 0, self.top, 0))
        return front + (1 - front[..., 3:]) * layer


def sweater_points(subject, scene):
    """Middles of the sweater's triangles that the canonical frame shows."""
    _, _, _, triangle, _ = render(subject, CAMERA, scene.data["weights"][0], scene.data["turns"][0], scene.data["shift"][0], scene.size, 1)
    shown = triangle.reshape(-1)
    shown = shown[shown >= 0].unique()
    shown = shown[subject.material[shown] == KNIT]
    corner = subject.triangles[shown]
    return {"position": subject.rest[corner].mean(1), "skin": subject.skin[corner].mean(1)}


def anchors_of(points, count, generator):
    """Points that are spread out (farthest first)."""
    position, skin = points["position"], points["skin"]
    chosen = [int(torch.randint(len(position), (1,), generator=generator))]
    distance = torch.full((len(position),), torch.inf, device=position.device)
    for _ in range(min(count, len(position)) - 1):
        distance = torch.minimum(distance, (position - position[chosen[-1]]).pow(2).sum(1))
        chosen.append(int(distance.argmax()))
    return {"position": position[chosen], "skin": skin[chosen]}


def rate(optimizer, share):
    """Falls by a cosine to a fiftieth."""
    factor = 0.02 + 0.98 * 0.5 * (1 + torch.cos(torch.tensor(min(1.0, share) * 3.14159)).item())
    for group in optimizer.param_groups:
        group["lr"] = group["base"] * factor


def warp_error(scene, body, points, targets, i, count):
    """Mean squared way, pixels, between where the warp takes points of frame i and their place in the texture."""
    chosen = torch.randint(len(targets), (count,), device=scene.device)
    seen = scene.place(i, points["position"][chosen], points["skin"][chosen])
    error = seen + body.displace(seen, scene.condition(body, i)) - targets[chosen]
    return (error * scene.size).pow(2).sum(1).mean()


def train_warp(scene, body, points, args):
    """The warp alone, before pictures: a texture of fine stitches gives no way to a warp that is off by more than a stitch."""
    targets = scene.place(0, points["position"], points["skin"])
    optimizer = torch.optim.Adam([{"params": body.warp.parameters(), "lr": 1e-3, "base": 1e-3}])
    seconds = args.warp_seconds
    began, step, error = time.time(), 0, torch.tensor(0.0)
    while time.time() - began < seconds:
        rate(optimizer, (time.time() - began) / seconds)
        chosen = [scene.train[int(i)] for i in torch.randint(len(scene.train), (4,))]
        error = sum(warp_error(scene, body, points, targets, i, args.warp_points) for i in chosen) / len(chosen)
        optimizer.zero_grad(set_to_none=True)
        error.backward()
        optimizer.step()
        step += 1
    print(f"warp {step} steps, {error.sqrt().item():.3f} px", flush=True)


def train_person(scene, state, points, args, clock, save):
    """Head splats and body together."""
    splats, body = state["splats"], state["body"]
    generator = torch.Generator().manual_seed(17)
    targets = scene.place(0, points["position"], points["skin"])
    grid = scene.grid()
    head_optimizer = splat_optimizer(splats)
    textures = [body.coarse, body.latents]
    networks = [*body.warp.parameters(), *body.fine.parameters()]
    body_optimizer = torch.optim.Adam([{"params": textures, "lr": 6e-3, "base": 6e-3}, {"params": networks, "lr": 4e-4, "base": 4e-4}])
    for name, optimizer in (("head_optimizer", head_optimizer), ("body_optimizer", body_optimizer)):
        if name in state:
            optimizer.load_state_dict(state.pop(name))
    started, saved = time.time(), time.time()
    while not clock.over():
        share = max(state["step"] / args.steps, state["seconds"] / args.seconds)
        if share >= 1:
            state["done"] = True
            break
        rate(head_optimizer, share)
        rate(body_optimizer, share)
        if scene.away and state["step"] % 5 == 2:
            loss = away_loss(scene, splats, scene.away[int(torch.randint(len(scene.away), (1,), generator=generator))])
            head_optimizer.zero_grad(set_to_none=True)
            loss.backward()
            head_optimizer.step()
            state["step"] += 1
            continue
        i = scene.train[int(torch.randint(len(scene.train), (1,), generator=generator))]
        rgb, head, mask = scene.frame(i)
        front = scene.splats(splats, i)
        condition = scene.condition(body, i)
        texture, alpha, du = body(grid, condition, fine=share > 0.2)
        image = scene.under(front, texture, alpha)
        truth = torch.cat([rgb, head + mask], 2)
        loss = ((image - truth) ** 2).mean() * 6 + (image - truth).abs().mean() + 0.1 * structure(image[..., :3], truth[..., :3])
        loss = loss + 0.5 * (front[..., 3:] - head).abs().mean()
        layer = F.pad(alpha.reshape(-1, scene.size, 1), (0, 0, 0, 0, scene.top, 0))
        # Under the head the body's alpha is free.
        loss = loss + 0.5 * ((layer - mask).abs() * (1 - head)).mean()
        loss = loss + 0.02 * warp_error(scene, body, points, targets, i, 4096) + 0.0025 * du.pow(2).mean()
        loss = loss + held(splats)
        head_optimizer.zero_grad(set_to_none=True)
        body_optimizer.zero_grad(set_to_none=True)
        loss.backward()
        head_optimizer.step()
        body_optimizer.step()
        state["step"] += 1
        now = time.time()
        state["seconds"] += now - started
        started = now
        if state["step"] % 200 == 0 or args.steps < 200:
            state["log"].append([state["step"], round(state["seconds"], 1), loss.item()])
            print(f"step {state['step']} {state['seconds']:.0f} s loss {loss.item():.5f}", flush=True)
            respawn(splats, head_optimizer, share, generator)
        if now - saved > 60:
            state["head_optimizer"], state["body_optimizer"] = head_optimizer.state_dict(), body_optimizer.state_dict()
            save(state)
            saved = now
    state["head_optimizer"], state["body_optimizer"] = head_optimizer.state_dict(), body_optimizer.state_dict()
    save(state)


def halved(scene):
    """The same frames at half the size."""
    pictures = torch.stack([F.avg_pool2d(p.permute(2, 0, 1).float(), 2).round().byte().permute(1, 2, 0) for p in scene.data["pictures"]])
    return Scene(scene.subject, scene.data | {"pictures": pictures}, scene.size // 2)


def train_apart(scene, state, points, args, clock, save):
    """Head and body one after the other, each for half the time, at a cost that a CPU can pay: the head's splats on halved frames, the body on
    samples of pixels that the head does not cover."""
    train_samples(scene, state, points, args, clock, args.seconds * 0.3)
    save(state)
    train_head(halved(scene), state, args, clock, args.seconds * 0.7)
    state["done"] = True
    save(state)


def train_samples(scene, state, points, args, clock, seconds):
    body = state["body"]
    targets = scene.place(0, points["position"], points["skin"])
    optimizer = torch.optim.Adam([{"params": [body.coarse, body.latents], "lr": 6e-3, "base": 6e-3},
                                  {"params": [*body.warp.parameters(), *body.fine.parameters()], "lr": 4e-4, "base": 4e-4}])
    grid, began, step = scene.grid(), time.time(), 0
    while time.time() - began < seconds and not clock.over():
        share = (time.time() - began) / seconds
        rate(optimizer, share)
        i = scene.train[int(torch.randint(len(scene.train), (1,)))]
        chosen = torch.randint(len(grid), (args.body_pixels,), device=scene.device)
        rgb, head, mask = (x.reshape(-1, x.shape[2])[scene.top * scene.size :][chosen] for x in scene.frame(i))
        texture, alpha, _ = body(grid[chosen], scene.condition(body, i), fine=share > 0.2)
        truth = torch.cat([rgb, mask], 1)
        error = (torch.cat([texture * alpha, alpha], 1) - truth) * (1 - head)
        loss = error.abs().mean() + 6 * error.pow(2).mean() + 0.02 * warp_error(scene, body, points, targets, i, args.warp_points)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        step += 1
    state["body_steps"] = step
    print(f"body {step} steps, loss {loss.item():.4f}", flush=True)


def train_head(scene, state, args, clock, seconds):
    optimizer, generator = splat_optimizer(state["splats"]), torch.Generator().manual_seed(31)
    began = time.time()
    frames_used = scene.train + scene.away
    while time.time() - began < seconds and not clock.over():
        share = (time.time() - began) / seconds
        rate(optimizer, share)
        loss = away_loss(scene, state["splats"], frames_used[int(torch.randint(len(frames_used), (1,)))])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        state["step"] += 1
        if state["step"] % 50 == 0:
            print(f"head {state['step']} steps, {time.time() - began:.0f} s, loss {loss.item():.4f}", flush=True)
            respawn(state["splats"], optimizer, share, generator)
    state["seconds"] += args.seconds


def away_loss(scene, splats, i):
    """A frame of the person turned away: the head's part of it alone."""
    rgb, head, mask = scene.frame(i)
    truth = torch.cat([rgb * head / (head + mask).clamp(min=1e-3), head], 2)
    image = scene.splats(splats, i)
    return ((image - truth) ** 2).mean() * 6 + (image - truth).abs().mean() + held(splats)


def held(splats):
    """Splats stay near the surface that carries them, and small."""
    return 200 * (splats["position"] - splats["base"]).pow(2).sum(1).mean() + 0.02 * (splats["scale"].exp() - 0.012).clamp(min=0).sum(1).mean()


def respawn(splats, optimizer, share, generator):
    """Splats that have faded split the ones that show most with large extent: they take half of their place."""
    if not 0.05 < share < 0.6:
        return
    with torch.no_grad():
        opacity = torch.sigmoid(splats["opacity"])
        dead = (opacity < 0.02).nonzero()[:, 0]
        if len(dead) == 0:
            return
        size = splats["scale"].exp().amax(1) * opacity
        donor = torch.multinomial(size.cpu().double().pow(2), len(dead), generator=generator).to(dead.device)
        for name in (*RATES, "base", "skin"):
            splats[name][dead] = splats[name][donor]
        splats["morphs"][:, dead] = splats["morphs"][:, donor]
        nudge = torch.randn(len(dead), 3, generator=generator).to(dead.device) * 0.4 * splats["scale"][donor].exp().amax(1, keepdim=True)
        splats["position"][dead] += nudge
        splats["base"][dead] += nudge
        splats["scale"][dead] -= 0.4
        splats["scale"][donor] -= 0.4
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                for value in optimizer.state.get(parameter, {}).values():
                    if torch.is_tensor(value) and value.shape == parameter.shape:
                        value[dead] = 0


def train_baseline(scene, state, args, clock, save):
    """Splats alone on the torso, under the head's finished splats; as many seconds a splat and more than the body had."""
    splats = state["torso"]
    optimizer = splat_optimizer(splats)
    if "torso_optimizer" in state:
        optimizer.load_state_dict(state.pop("torso_optimizer"))
    generator = torch.Generator().manual_seed(23)
    started, saved = time.time(), time.time()
    while not clock.over():
        share = max(state["torso_step"] / args.baseline_steps, state["torso_seconds"] / args.baseline_seconds)
        if share >= 1:
            state["torso_done"] = True
            break
        rate(optimizer, share)
        i = scene.train[int(torch.randint(len(scene.train), (1,), generator=generator))]
        rgb, head, mask = scene.frame(i)
        image = scene.splats(splats, i)
        truth = torch.cat([rgb, mask], 2)
        free = 1 - head
        loss = (((image - truth) ** 2).mean(2, keepdim=True) * free).mean() * 6 + ((image - truth).abs() * free).mean()
        loss = loss + 0.1 * structure(image[..., :3] * free, truth[..., :3] * free)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        state["torso_step"] += 1
        now = time.time()
        state["torso_seconds"] += now - started
        started = now
        if state["torso_step"] % 200 == 0:
            print(f"torso {state['torso_step']} {state['torso_seconds']:.0f} s loss {loss.item():.5f}", flush=True)
            respawn(splats, optimizer, share, generator)
        if now - saved > 60:
            state["torso_optimizer"] = optimizer.state_dict()
            save(state)
            saved = now
    state["torso_optimizer"] = optimizer.state_dict()
    save(state)


@torch.no_grad()
def clean_alpha(scene, body):
    """Traces of alpha where no body is become none, and nearly whole alpha whole."""
    alpha = body.coarse[3]
    alpha.copy_(((alpha - 0.04) / 0.92).clamp(0, 1))
    alpha[: max(0, body.pad + scene.top - 2)] = 0


@torch.no_grad()
def evaluate(scene, state, baked, out):
    """PSNR of the torso region and the whole picture over the frames held out; picture pairs."""
    splats, body, anchors = state["splats"], state["body"], state["anchors"]
    grid = scene.grid()
    errors = {name: [0.0, 0] for name in ("gaussians torso", "mlp torso", "fast torso", "gaussians whole", "mlp whole", "fast whole", "head")}
    background, rows = torch.ones(3, device=scene.device), []
    for number, i in enumerate(scene.test):
        rgb, head, mask = scene.frame(i)
        truth = rgb + (1 - head - mask) * background
        front = scene.splats(splats, i)
        images = {}
        texture, alpha, _ = body(grid, scene.condition(body, i))
        images["mlp"] = scene.under(front, texture.clamp(0, 1), alpha.clamp(0, 1))
        seen = scene.place(i, anchors["position"], anchors["skin"])[baked["kept"]]
        sampled = body.sample(baked["texture"], transfer(homography(seen, baked["targets"]), grid))
        images["fast"] = scene.under(front, sampled[:, :3], sampled[:, 3:])
        if state["torso_step"]:
            torso = scene.splats(state["torso"], i)
            images["gaussians"] = front + (1 - front[..., 3:]) * torso
        for name, image in images.items():
            image = (image[..., :3] + (1 - image[..., 3:]) * background).clamp(0, 1)
            images[name] = image
            for region, where in (("torso", mask[..., 0] > 0.5), ("whole", torch.ones_like(mask[..., 0]) > 0)):
                error = errors[f"{name} {region}"]
                error[0] += (image - truth)[where].pow(2).sum().item()
                error[1] += int(where.sum()) * 3
            if name == "mlp":
                where = head[..., 0] > 0.5
                errors["head"][0] += (image - truth)[where].pow(2).sum().item()
                errors["head"][1] += int(where.sum()) * 3
        if number in (0, 5, 11):
            rows.append(torch.cat([truth, *(images[n] for n in ("mlp", "fast", "gaussians") if n in images)], 1))
    write_png(out / "compare.png", torch.cat(rows))
    psnr = {name: round(-10 * torch.tensor(e / n).log10().item(), 2) for name, (e, n) in errors.items() if n}
    psnr |= {"test frames": len(scene.test), "train frames": len(scene.train), "anchors drawn": len(baked["kept"]), "anchors": len(anchors["position"])}
    return psnr


def cpu(value):
    if torch.is_tensor(value):
        return value.detach().cpu()
    if isinstance(value, dict):
        return {k: cpu(v) for k, v in value.items()}
    if isinstance(value, list):
        return [cpu(v) for v in value]
    return value


def write_state(folder, state):
    """Everything that goes on later, in four files of a few megabytes each."""
    state = cpu(state | {"body": state["body"].state_dict()})
    moments = state.pop("body_optimizer", None)
    if moments:
        moments = {**moments, "state": {k: {n: v.bfloat16() if v.ndim else v for n, v in entry.items()} for k, entry in moments["state"].items()}}
    splats = {**state.pop("splats"), "morphs": None}
    torso = {**state.pop("torso"), "morphs": None}
    parts = {"state-splats": {"splats": splats, "morphs": threshold(state.pop("morphs")), "head_optimizer": state.pop("head_optimizer", None)},
             "state-torso": {"torso": torso, "torso_optimizer": state.pop("torso_optimizer", None)}, "state-moments": {"body_optimizer": moments}, "state": state}
    for name, part in parts.items():
        temporary = folder / f"{name}.part"
        torch.save({k: v for k, v in part.items() if v is not None}, temporary)
        temporary.replace(folder / f"{name}.pt")


def read_state(folder, state, device):
    """Takes up what `write_state` left."""
    for name in ("state-splats", "state-torso", "state-moments", "state"):
        kept = to(torch.load(folder / f"{name}.pt", weights_only=True), device)
        if name == "state-splats":
            dense = torch.zeros_like(state["splats"]["morphs"])
            sparse = kept.pop("morphs")
            dense[sparse["expression"].long(), sparse["splat"].long()] = sparse["delta"].float()
            kept["splats"]["morphs"] = dense
        if name == "state-torso":
            kept["torso"]["morphs"] = state["torso"]["morphs"]
        if name == "state":
            state["body"].load_state_dict(kept.pop("body"))
        state.update(kept)
    print(f"goes on at step {state['step']}, torso {state['torso_step']}", flush=True)


def to(value, device):
    if torch.is_tensor(value):
        return value.to(device)
    if isinstance(value, dict):
        return {k: to(v, device) for k, v in value.items()}
    return value


def main():
    args = options()
    clock = Clock(args.minutes)
    began = time.time()
    torch.manual_seed(1)
    if torch.cuda.is_available():
        torch.backends.cuda.matmul.allow_tf32 = True
    args.out.mkdir(parents=True, exist_ok=True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with torch.no_grad():
        subject = Subject(args.mesh, device, args.strands, args.occlusion)
        scene = Scene(subject, load_frames(subject, args, args.out, keep=args.apart), args.size)
    print(f"{args.frames} frames of {args.size} px, {len(subject.triangles)} triangles: {time.time() - began:.0f} s", flush=True)
    write_png(args.out / "frames.png", torch.cat([show(scene, i) for i in (0, len(scene.train) // 3, len(scene.train) // 2)], 1))
    state = start(subject, scene, args, args.out)
    save = lambda s: write_state(args.out, s | {"morphs": s["splats"]["morphs"]})
    points = sweater_points(subject, scene)
    if not state["warped"]:
        train_warp(scene, state["body"], points, args)
        state["warped"] = True
    if not state["done"]:
        (train_apart if args.apart else train_person)(scene, state, points, args, clock, save)
    if state["done"] and not state["torso_done"]:
        train_baseline(halved(scene) if args.apart else scene, state, args, clock, save)
    finish(scene, state, args, subject, time.time() - began)


def load_frames(subject, args, folder, keep):
    """The frames of training; with `keep` they are drawn once for all runs in this folder."""
    cache = folder / f"frames-{args.frames}-{args.size}.pt"
    if cache.exists():
        return to(torch.load(cache, weights_only=True), subject.device)
    data = frames.make(subject, args.track, args.frames, args.size, args.over)
    if keep:
        torch.save(data, cache)
    return data


def start(subject, scene, args, folder):
    generator = torch.Generator().manual_seed(7)
    body = Body(args.size, max(4, args.size * 50 // 512)).to(scene.device)
    shown = scene.data["shown"]
    with torch.no_grad():
        points = sweater_points(subject, scene)
        state = {"splats": seed_splats(subject, shown, scene.data["tints"], args.splats, False, generator), "torso": seed_splats(subject, shown, scene.data["tints"], args.body_splats, True, generator),
                 "anchors": anchors_of(points, 1024, generator), "body": body, "warped": False, "step": 0, "seconds": 0.0, "torso_step": 0, "torso_seconds": 0.0,
                 "done": False, "torso_done": False, "log": []}
        start_coarse(scene, body)
    if (folder / "state.pt").exists():
        read_state(folder, state, scene.device)
    return state


def start_coarse(scene, body):
    """The canonical frame's own body as the first coarse texture."""
    rgb, _, mask = scene.frame(0)
    layer = torch.cat([rgb / mask.clamp(min=0.05) * (mask > 0.5) + 0.3 * (mask <= 0.5), mask], 2).permute(2, 0, 1)
    body.coarse.data = F.pad(layer[None], (body.pad,) * 4, mode="replicate")[0].contiguous()


def show(scene, i):
    rgb, head, mask = scene.frame(i)
    return rgb + (1 - head - mask)


def finish(scene, state, args, subject, seconds):
    clean_alpha(scene, state["body"])
    anchors = state["anchors"]
    baked = bake(scene, state["body"], anchors)
    kept = {name: value[baked["kept"]] for name, value in anchors.items()}
    chosen, texture = fitted(scene, state["body"], kept, baked["targets"], baked["texture"], args.fit_steps)
    baked |= {"texture": texture, "kept": baked["kept"][chosen], "targets": baked["targets"][chosen]}
    figures = evaluate(scene, state, baked, args.out)
    figures |= {"steps": state["step"], "seconds": round(state["seconds"]), "torso steps": state["torso_step"], "torso seconds": round(state["torso_seconds"]),
                "run seconds": round(seconds), "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU", "log": state["log"]}
    figures["complete"] = bool(state["done"] and state["torso_done"])
    (args.out / "figures.json").write_text(json.dumps(figures, indent=1))
    result = {"splats": {k: (v.half() if k == "morphs" else v) for k, v in cpu(state["splats"]).items() if k != "base"}, "anchors": cpu(state["anchors"]),
              "body": {k: v.half() for k, v in cpu(state["body"].state_dict()).items()},
              "baked": cpu(baked | {"texture": (baked["texture"] * 255).round().byte()}), "morph_names": list(subject.morph_names), "size": args.size, "pad": state["body"].pad}
    result["splats"]["morphs"] = threshold(result["splats"]["morphs"])
    torch.save(result, args.out / "person.pt")
    print(json.dumps({k: v for k, v in figures.items() if k != "log"}), flush=True)


def threshold(morphs, least=2e-4):
    """Deltas under a fifth of a millimetre are none; sparse by rows."""
    big = morphs.float().norm(dim=2) >= least
    expression, splat = big.nonzero().unbind(1)
    return {"expression": expression.to(torch.int16), "splat": splat.to(torch.int32), "delta": morphs[expression, splat]}


if __name__ == "__main__":
    main()
