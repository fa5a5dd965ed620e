"""The stages of the body: what places it without networks, the warp, the texture, the fine colour, the bake. Each leaves its part in a folder, and a run that was
cut goes on where it was."""

import time

import torch
import torch.nn.functional as F

from body import run, transfer
from edges import from_inside
from fast_path import FastPath, Fit, canonical_texture, drawn, nearest_energy, principal_fields, trusted
from geometry import CAMERA, LANDMARKS, blended, moved, project, skin_matrices, skin_weights
from shade import render
from subject import KNIT


def sweater_points(subject, scene, count=16384):
    """Middles of the sweater's triangles that the canonical frame shows, as many as `count`, and their places there."""
    _, _, _, triangle, _ = render(subject, CAMERA, scene.data["weights"][0], scene.data["turns"][0], scene.data["shift"][0], scene.size, 1)
    shown = triangle.reshape(-1)
    shown = shown[shown >= 0].unique()
    shown = shown[subject.material[shown] == KNIT]
    shown = shown[torch.randperm(len(shown), generator=torch.Generator().manual_seed(11)).to(shown.device)[:count]]
    corner = subject.triangles[shown]
    points = {"position": subject.rest[corner].mean(1), "skin": subject.skin[corner].mean(1)}
    return points, scene.place(0, points["position"], points["skin"])


def spread_out(points, count):
    """Points that are far from each other (farthest first)."""
    position = points["position"]
    chosen = [int(position[:, 1].argmax())]
    distance = torch.full((len(position),), torch.inf, device=position.device)
    for _ in range(min(count, len(position)) - 1):
        distance = torch.minimum(distance, (position - position[chosen[-1]]).pow(2).sum(1))
        chosen.append(int(distance.argmax()))
    return torch.tensor(chosen, device=position.device)


def start_coarse(scene, body):
    """The canonical frame's own body as the first coarse texture."""
    rgb, _, mask = scene.frame(0)
    layer = torch.cat([rgb / mask.clamp(min=0.05) * (mask > 0.5) + 0.3 * (mask <= 0.5), mask], 2).permute(2, 0, 1)
    layer = F.interpolate(layer[None], size=(body.image, body.image), mode="bilinear", align_corners=False)
    body.coarse.data = F.pad(layer, (body.pad,) * 4, mode="replicate")[0].contiguous()


@torch.no_grad()
def find_path(scene, body, points, targets, count, fields, file):
    """Anchors that RANSAC keeps, drawn by what the texture shows around them, and so many displacement fields."""
    if not file.exists():
        chosen = spread_out(points, 1024)
        anchors, places = {name: value[chosen] for name, value in points.items()}, targets[chosen]
        kept = trusted(scene, anchors, places)
        anchors, places = {name: value[kept] for name, value in anchors.items()}, places[kept]
        weighed = drawn(nearest_energy(scene, body, places, body.coarse), count)
        anchors, places = {name: value[weighed] for name, value in anchors.items()}, places[weighed]
        print(f"{len(kept)} anchors kept, {len(weighed.unique())} drawn", flush=True)
        pad = body.pad / body.image
        fields = principal_fields(FastPath(scene, anchors, places, pad=pad), points, targets, fields) if fields else None
        torch.save((anchors, places, fields), file)
    anchors, places, fields = torch.load(file, weights_only=True, map_location=scene.device)
    return FastPath(scene, anchors, places, fields, body.pad / body.image)


class Poses:
    """Poses of training and such between two of them, and where the homography takes the body's points in each: examples for the warp."""

    def __init__(self, scene, body, path, points, targets, count):
        generator = torch.Generator().manual_seed(41)
        turns, shift = scene.data["turns"][scene.train], scene.data["shift"][scene.train]
        pair = torch.randint(len(turns), (2, count), generator=generator).to(turns.device)
        share = (torch.rand(count, generator=generator) * 1.2 - 0.1).to(turns.device)
        mixed = lambda x: torch.cat([x, torch.lerp(x[pair[0]], x[pair[1]], share.reshape(-1, *[1] * (x.ndim - 1)))])
        places, conditions = [], []
        for turn, way in zip(mixed(turns), mixed(shift)):
            matrices = skin_matrices(turn, way)
            places.append(transfer(path.homography(matrices), scene.placed(matrices, points["position"], points["skin"])))
            conditions.append(scene.condition_of(body, turn, way, matrices))
        self.places, self.conditions, self.targets = torch.stack(places), torch.stack(conditions), targets


def train_warp(scene, body, examples, seconds, rows, file):
    """The warp alone, before pictures, from points whose place in the texture is known: a texture of fine stitches gives no way to a warp that is off by more than
    a stitch. Its last layer learns in texels, not in pictures."""
    if not file.exists():
        hidden, last = body.warp[:-1], body.warp[-1]
        optimizer = torch.optim.Adam([{"params": hidden.parameters(), "lr": 1e-3, "base": 1e-3}, {"params": last.parameters(), "lr": 1e-3 / body.image, "base": 1e-3 / body.image}], eps=1e-12)
        began, step = time.time(), 0
        while time.time() - began < seconds:
            rate(optimizer, (time.time() - began) / seconds)
            pose = torch.randint(len(examples.places), (8,), device=scene.device)
            point = torch.randint(len(examples.targets), (rows,), device=scene.device)
            place = examples.places[pose][:, point]
            found = place + body.displace(place, examples.conditions[pose])
            error = ((found - examples.targets[point]) * scene.size).pow(2).sum(-1).mean()
            optimizer.zero_grad(set_to_none=True)
            error.backward()
            optimizer.step()
            step += 1
            if step % 500 == 0:
                print(f"warp {step} steps, {time.time() - began:.0f} s, {error.sqrt().item():.3f} px", flush=True)
        torch.save(body.warp.state_dict(), file)
    body.warp.load_state_dict(torch.load(file, weights_only=True, map_location=scene.device))


def rate(optimizer, share):
    """Falls by a cosine to a fiftieth."""
    factor = 0.02 + 0.98 * 0.5 * (1 + torch.cos(torch.tensor(min(1.0, share) * 3.14159)).item())
    for group in optimizer.param_groups:
        group["lr"] = group["base"] * factor


@torch.no_grad()
def warped_places(scene, body, path, frames):
    """{frame: places [n, 2]} of the lower rows' pixels through homography and warp."""
    grid = scene.grid()
    near = {i: transfer(path.homography(scene.matrices[i]), grid) for i in frames}
    return {i: place + body.displace(place, scene.condition(body, i)) for i, place in near.items()}


def train_fine(scene, body, places, seconds, pixels, file):
    """Fine colour and latents, over the fitted coarse colour."""
    if not file.exists():
        optimizer = torch.optim.Adam([{"params": [body.latents], "lr": 4e-3, "base": 4e-3}, {"params": body.fine.parameters(), "lr": 4e-4, "base": 4e-4}])
        frames, began, step = list(places), time.time(), 0
        while time.time() - began < seconds:
            rate(optimizer, (time.time() - began) / seconds)
            i = frames[int(torch.randint(len(frames), (1,)))]
            chosen = torch.randint(len(places[i]), (pixels,), device=scene.device)
            rgb, free, _ = (x[chosen] for x in scene.lower(i))
            at = places[i][chosen]
            coarse = body.sample(body.coarse.detach(), at)
            color = coarse[:, :3] + run(body.fine, body.sample(body.latents, at), scene.condition(body, i))
            loss = ((color * coarse[:, 3:] - rgb) * free).pow(2).mean()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            step += 1
            if step % 500 == 0:
                print(f"fine {step} steps, {time.time() - began:.0f} s, loss {loss.item():.3g}", flush=True)
        torch.save({"fine": body.fine.state_dict(), "latents": body.latents.detach()}, file)
    kept = torch.load(file, weights_only=True, map_location=scene.device)
    body.fine.load_state_dict(kept["fine"])
    body.latents.data = kept["latents"]


def train_body(scene, subject, body, args, folder):
    """All stages: the body's networks and maps, the fast path, and its texture [4, s, s]."""
    points, targets = sweater_points(subject, scene)
    start_coarse(scene, body)
    path = find_path(scene, body, points, targets, args.anchors, args.fields, folder / "path.pt")
    if not (folder / "warp.pt").exists():
        examples = Poses(scene, body, path, points, targets, args.poses)
        train_warp(scene, body, examples, args.warp_seconds, args.warp_points, folder / "warp.pt")
    train_warp(scene, body, None, 0, 0, folder / "warp.pt")
    for name, error in place_errors(scene, body, path, points, targets).items():
        print(f"{name}: median {error.median().item():.3f} px, 95 % {error.quantile(0.95).item():.3f} px, root of squares {error.pow(2).mean().sqrt().item():.3f} px", flush=True)
    places = warped_places(scene, body, path, scene.train)
    body.coarse.data = cleaned(scene, body, Fit(scene, body, places).texture(body.coarse.detach(), args.fit_steps, folder, "coarse"))
    train_fine(scene, body, places, args.fine_seconds, args.fine_pixels, folder / "fine.pt")
    grid = scene.grid()
    with torch.no_grad():
        seen = {i: path.at(scene.matrices[i], grid) for i in scene.train}
    return path, cleaned(scene, body, Fit(scene, body, seen).texture(canonical_texture(scene, body), args.fit_steps, folder, "baked"))


@torch.no_grad()
def cleaned(scene, body, texture):
    """Traces of alpha where no body is become none, and nearly whole alpha whole; the collar's edge gets the colours inside of it."""
    alpha = ((texture[3:] - 0.04) / 0.92).clamp(0, 1)
    alpha[:, : max(0, body.pad + (scene.top - 2) * body.image // scene.size)] = 0
    return from_inside(torch.cat([texture[:3], alpha]))


@torch.no_grad()
def place_errors(scene, body, path, points, targets):
    """How far from their places points of the body end up in frames held out, pixels."""
    errors = {"homography": [], "with displacement fields": [], "warp network": []}
    for i in scene.test:
        seen, matrices = scene.place(i, points["position"], points["skin"]), scene.matrices[i]
        near = transfer(path.homography(matrices), seen)
        found = near, path.at(matrices, seen), near + body.displace(near, scene.condition(body, i))
        for kept, place in zip(errors.values(), found):
            kept.append((place - targets).norm(dim=1) * scene.size)
    return {name: torch.cat(kept)[::7] for name, kept in errors.items()}
