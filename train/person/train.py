"""Trains the person as Gaussian Head & Shoulders (arXiv 2405.12069): splats for the head, a neural texture for the body; then the texture's bake,
the filtered anchors, and a baseline of splats alone. Stops after --minutes; the same command goes on from the last checkpoint."""

import argparse
import json
import math
import time
from pathlib import Path

import torch
import torch.nn.functional as F

import frames
from body import Body, transfer
from geometry import CAMERA, JOINTS, LANDMARKS, blended, moved, project, skin_matrices, skin_weights, view_of
from measure import SHOWN, compared, held_layers, torso_figures
from png import write_png
from splats import draw
from subject import HAIR, KNIT, Subject
from torso import rate, train_body


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
    parser.add_argument("--apart", action="store_true", help="without a GPU: splats on frames of half the size")
    body_options(parser)
    return parser.parse_args()


def body_options(parser):
    parser.add_argument("--anchors", type=int, default=512)
    parser.add_argument("--fields", type=int, default=4, help="of displacement, at most four; 0: the homography alone, as in the paper")
    parser.add_argument("--poses", type=int, default=1500, help="between those of training, for the warp")
    parser.add_argument("--warp-seconds", type=float, default=60, help="of the warp network alone, on points of the sweater")
    parser.add_argument("--warp-points", type=int, default=4096, help="of each of eight poses a step")
    parser.add_argument("--fit-steps", type=int, default=15, help="of each texture")
    parser.add_argument("--fine-seconds", type=float, default=60)
    parser.add_argument("--fine-pixels", type=int, default=32768, help="of a step of the fine colour")


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


def frames_from_the_front(turns):
    return [i for i in range(len(turns)) if turns[i, 0, 1] == 0]


def held_frames(turns, drawn):
    """Numbers of the frames that no training sees, of the `drawn` first."""
    return [i for i in frames_from_the_front(turns)[9::13] if i < drawn]


class Scene:
    """Frames, camera and what a frame's pose means for splats and body."""

    def __init__(self, subject, data, size):
        self.subject, self.data, self.size, self.device = subject, data, size, subject.device
        self.view = view_of(CAMERA, size, subject.device)
        self.eye = torch.tensor(CAMERA["position"], device=subject.device)
        self.count = len(data["weights"])
        front = frames_from_the_front(data["turns"])
        self.away = [i for i in range(self.count) if i not in set(front)]
        self.test = held_frames(data["turns"], data["drawn"])
        self.train = [i for i in front if i not in set(self.test)]
        self.matrices = torch.stack([skin_matrices(t, s) for t, s in zip(data["turns"], data["shift"])])
        marks = torch.tensor(LANDMARKS, device=subject.device)
        self.marks = [self.place(i, marks, skin_weights(marks)) for i in range(self.count)]
        body = data["pictures"][self.train + self.test][:, :, :, 4].amax(0).amax(1) > 0
        self.top = max(0, int(body.nonzero()[0]) - 4)

    def placed(self, matrices, points, skin):
        """Points of the body in a pose, uv."""
        return project(moved(points, blended(matrices, skin)), self.view, self.size)[0]

    def place(self, i, points, skin):
        return self.placed(self.matrices[i], points, skin)

    def frame(self, i):
        """Premultiplied rgb, head and body masks."""
        picture = self.data["pictures"][i].float() / 255
        return picture[..., :3], picture[..., 3:4], picture[..., 4:5]

    def splats(self, splats, i):
        return draw(splats, self.matrices[i], self.data["weights"][i], self.view, self.eye, self.size)

    def lower(self, i):
        """Of the rows that the body reaches, [n, c]: premultiplied rgb, what the head leaves free, and the body's mask."""
        rgb, head, mask = (x[self.top :].reshape(-1, x.shape[2]) for x in self.frame(i))
        return rgb, 1 - head, mask

    def condition_of(self, body, turns, shift, matrices):
        marks = torch.tensor(LANDMARKS, device=self.device)
        return body.condition(turns[1:3].reshape(-1), shift * 10, self.placed(matrices, marks, skin_weights(marks)))

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


def train_person(scene, state, layer_of, args, clock, save):
    """The head's splats over the body, of which `layer_of(i)` gives rgb and alpha of the lower rows."""
    splats = state["splats"]
    generator = torch.Generator().manual_seed(17)
    optimizer = splat_optimizer(splats)
    if "head_optimizer" in state:
        optimizer.load_state_dict(state.pop("head_optimizer"))
    started, saved = time.time(), time.time()
    while not clock.over():
        share = max(state["step"] / args.steps, state["seconds"] / args.seconds)
        if share >= 1:
            state["done"] = True
            break
        rate(optimizer, share)
        if scene.away and state["step"] % 5 == 2:
            loss = away_loss(scene, splats, scene.away[int(torch.randint(len(scene.away), (1,), generator=generator))])
        else:
            i = scene.train[int(torch.randint(len(scene.train), (1,), generator=generator))]
            rgb, head, mask = scene.frame(i)
            front = scene.splats(splats, i)
            with torch.no_grad():
                layer = layer_of(i)
            image = scene.under(front, *layer)
            truth = torch.cat([rgb, head + mask], 2)
            loss = ((image - truth) ** 2).mean() * 6 + (image - truth).abs().mean() + 0.1 * structure(image[..., :3], truth[..., :3])
            loss = loss + 0.5 * (front[..., 3:] - head).abs().mean() + held(splats)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        state["step"] += 1
        now = time.time()
        state["seconds"] += now - started
        started = now
        if state["step"] % 200 == 0 or args.steps < 200:
            state["log"].append([state["step"], round(state["seconds"], 1), loss.item()])
            print(f"step {state['step']} {state['seconds']:.0f} s loss {loss.item():.5f}", flush=True)
            respawn(splats, optimizer, share, generator)
        if now - saved > 60:
            state["head_optimizer"] = optimizer.state_dict()
            save(state)
            saved = now
    state["head_optimizer"] = optimizer.state_dict()
    save(state)


def halved(scene):
    """The same frames at half the size."""
    pictures = torch.stack([F.avg_pool2d(p.permute(2, 0, 1).float(), 2).round().byte().permute(1, 2, 0) for p in scene.data["pictures"]])
    return Scene(scene.subject, scene.data | {"pictures": pictures}, scene.size // 2)


def train_head(scene, state, args, clock):
    """At a cost that a CPU can pay: the head alone, on halved frames."""
    seconds = args.seconds
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
    state["done"] = True


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


def cpu(value):
    if torch.is_tensor(value):
        return value.detach().cpu()
    if isinstance(value, dict):
        return {k: cpu(v) for k, v in value.items()}
    if isinstance(value, list):
        return [cpu(v) for v in value]
    return value


def write_state(folder, state):
    """Everything of the splats that goes on later, in three files of a few megabytes each."""
    state = cpu(state)
    splats = {**state.pop("splats"), "morphs": None}
    torso = {**state.pop("torso"), "morphs": None}
    parts = {"state-splats": {"splats": splats, "morphs": threshold(state.pop("morphs")), "head_optimizer": state.pop("head_optimizer", None)},
             "state-torso": {"torso": torso, "torso_optimizer": state.pop("torso_optimizer", None)}, "state": state}
    for name, part in parts.items():
        temporary = folder / f"{name}.part"
        torch.save({k: v for k, v in part.items() if v is not None}, temporary)
        temporary.replace(folder / f"{name}.pt")


def read_state(folder, state, device):
    """Takes up what `write_state` left."""
    for name in ("state-splats", "state-torso", "state"):
        kept = to(torch.load(folder / f"{name}.pt", weights_only=True), device)
        if name == "state-splats":
            dense = torch.zeros_like(state["splats"]["morphs"])
            sparse = kept.pop("morphs")
            dense[sparse["expression"].long(), sparse["splat"].long()] = sparse["delta"].float()
            kept["splats"]["morphs"] = dense
        if name == "state-torso":
            kept["torso"]["morphs"] = state["torso"]["morphs"]
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
    args.out.mkdir(parents=True, exist_ok=True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with torch.no_grad():
        subject = Subject(args.mesh, device, args.strands, args.occlusion)
        scene = Scene(subject, load_frames(subject, args, args.out, keep=args.apart), args.size)
    print(f"{args.frames} frames of {args.size} px, {len(subject.triangles)} triangles: {time.time() - began:.0f} s", flush=True)
    write_png(args.out / "frames.png", torch.cat([show(scene, i) for i in (0, len(scene.train) // 3, len(scene.train) // 2)], 1))
    state = start(subject, scene, args, args.out)
    save = lambda s: write_state(args.out, s | {"morphs": s["splats"]["morphs"]})
    body = new_body(args.size, device)
    path, texture = train_body(scene, subject, body, args, args.out)
    grid = scene.grid()
    layer_of = lambda i: [x.clamp(0, 1) for x in body(transfer(path.homography(scene.matrices[i]), grid), scene.condition(body, i))[:2]]
    if not state["done"] and args.apart:
        train_head(halved(scene), state, args, clock)
        save(state)
    elif not state["done"]:
        train_person(scene, state, layer_of, args, clock, save)
    if state["done"] and not state["torso_done"]:
        train_baseline(halved(scene) if args.apart else scene, state, args, clock, save)
    finish(scene, state, body, path, texture, layer_of, args, subject, time.time() - began)


def new_body(size, device):
    """One and a half texels a pixel: with one, bilinear samples cost 4 dB even where every place is right."""
    image = size * 3 // 2
    return Body(image, max(4, image * 50 // 512), latent_size=(image + 2 * (image * 50 // 512)) // 6).to(device)


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
    shown = scene.data["shown"]
    with torch.no_grad():
        state = {"splats": seed_splats(subject, shown, scene.data["tints"], args.splats, False, generator), "torso": seed_splats(subject, shown, scene.data["tints"], args.body_splats, True, generator),
                 "step": 0, "seconds": 0.0, "torso_step": 0, "torso_seconds": 0.0, "done": False, "torso_done": False, "log": []}
    if (folder / "state.pt").exists():
        read_state(folder, state, scene.device)
    return state


def show(scene, i):
    rgb, head, mask = scene.frame(i)
    return rgb + (1 - head - mask)


def finish(scene, state, body, path, texture, layer_of, args, subject, seconds):
    layers = held_layers(scene, body, path, texture, state["torso"] if state["torso_step"] else None)
    write_png(args.out / "torso.png", compared(scene, layers, scene.test, SHOWN))
    figures = {"torso": torso_figures(scene, layers, scene.test), "head and whole, dB": whole_figures(scene, state["splats"], layer_of)}
    figures |= {"test frames": len(scene.test), "train frames": len(scene.train), "anchors": len(path.targets), "steps": state["step"], "seconds": round(state["seconds"]),
                "torso steps": state["torso_step"], "torso seconds": round(state["torso_seconds"]), "run seconds": round(seconds),
                "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU", "log": state["log"], "complete": bool(state["done"] and state["torso_done"])}
    (args.out / "figures.json").write_text(json.dumps(figures, indent=1))
    result = {"splats": {k: (v.half() if k == "morphs" else v) for k, v in cpu(state["splats"]).items() if k != "base"}, "morph_names": list(subject.morph_names)}
    result |= packed_body(body, path, texture)
    result["splats"]["morphs"] = threshold(result["splats"]["morphs"])
    torch.save(result, args.out / "person.pt")
    print(json.dumps({k: v for k, v in figures.items() if k != "log"}), flush=True)


def packed_body(body, path, texture):
    """What an archive keeps of the body."""
    return {"body": {k: v.half() for k, v in cpu(body.state_dict()).items()}, "image": body.image, "pad": body.pad, "anchors": cpu(path.anchors), "targets": cpu(path.targets),
            "fields": cpu(path.fields), "texture": cpu((texture * 255).round().byte())}


@torch.no_grad()
def whole_figures(scene, splats, layer_of):
    """PSNR, dB, of the head and of the whole picture over white, by the networks."""
    squares, counts = [0.0, 0.0], [0, 0]
    for i in scene.test:
        rgb, head, mask = scene.frame(i)
        image = scene.under(scene.splats(splats, i), *layer_of(i))
        error = (image[..., :3] + 1 - image[..., 3:]).clamp(0, 1) - (rgb + 1 - head - mask)
        for k, where in enumerate((head[..., 0] > 0.5, torch.ones_like(mask[..., 0]) > 0)):
            squares[k] += error[where].pow(2).sum().item()
            counts[k] += int(where.sum()) * 3
    return [round(-10 * math.log10(s / n), 2) for s, n in zip(squares, counts)]


def threshold(morphs, least=2e-4):
    """Deltas under a fifth of a millimetre are none; sparse by rows."""
    big = morphs.float().norm(dim=2) >= least
    expression, splat = big.nonzero().unbind(1)
    return {"expression": expression.to(torch.int16), "splat": splat.to(torch.int32), "delta": morphs[expression, splat]}


if __name__ == "__main__":
    main()
