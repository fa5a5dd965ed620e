"""The path without networks: the baked texture, its anchors, and the fit of the texture to what that path shows."""

import math

import torch

from body import homography, run, transfer


@torch.no_grad()
def bake(scene, body, anchors, frames_used=100, trials=1000, subset=100, residual=0.0125):
    """The fast path: texture [4, s, s] with the canonical fine colour, and the anchors that RANSAC keeps with their targets."""
    size = body.image + 2 * body.pad
    device = scene.device
    rows, columns = torch.meshgrid(torch.arange(size, device=device), torch.arange(size, device=device), indexing="ij")
    uv = (torch.stack([columns, rows], 2).reshape(-1, 2) + 0.5 - body.pad) / body.image
    condition = scene.condition(body, 0)
    fine = torch.cat([run(body.fine, body.sample(body.latents, part), condition) for part in uv.split(65536)])
    texture = body.coarse.clone()
    texture[:3] += fine.T.reshape(3, size, size)
    texture = texture.clamp(0, 1)
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


def fit_texture(scene, body, anchors, targets, texture, steps, frames_a_step=4, rate=0.02, seed=37, kept=None):
    """The texture [4, s, s] whose pictures through the fast path differ least, by squares, from the frames of training where the head leaves
    the body free. A bake shows the canonical frame through the warp; one homography a frame puts it elsewhere. Texels that no frame shows stay.
    `kept` names a file: the same call goes on from there."""
    state = {"texture": texture.clone(), "step": 0}
    optimizer = None
    if kept and kept.exists():
        state = {name: value.to(texture.device) if torch.is_tensor(value) else value for name, value in torch.load(kept, weights_only=True).items()}
    fitted = state["texture"].requires_grad_(True)
    optimizer = torch.optim.Adam([fitted], lr=rate, betas=(0.9, 0.99))
    if "optimizer" in state:
        optimizer.load_state_dict(state["optimizer"])
    grid = scene.grid()
    # Each frame comes once before any comes twice.
    order = torch.stack([torch.randperm(len(scene.train), generator=torch.Generator().manual_seed(seed + turn)) for turn in range(steps * frames_a_step // len(scene.train) + 1)]).reshape(-1)
    for step in range(state["step"], steps):
        optimizer.param_groups[0]["lr"] = rate * (0.02 + 0.98 * 0.5 * (1 + torch.cos(torch.tensor(step / steps * torch.pi)).item()))
        loss = 0.0
        for k in order[step * frames_a_step : (step + 1) * frames_a_step]:
            i = scene.train[int(k)]
            with torch.no_grad():
                at = seen_at(scene, anchors, targets, i, grid)
                rgb, head, mask = (x.reshape(-1, x.shape[2])[scene.top * scene.size :] for x in scene.frame(i))
            found = body.sample(fitted, at)
            error = (torch.cat([found[:, :3] * found[:, 3:], found[:, 3:]], 1) - torch.cat([rgb, mask], 1)) * (1 - head)
            loss = loss + error.pow(2).sum(1).mean() / frames_a_step
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            fitted.clamp_(0, 1)
        if (step + 1) % 100 == 0 or step + 1 == steps:
            print(f"texture {step + 1} steps, loss {loss.item():.6f}", flush=True)
            if kept:
                torch.save({"texture": fitted.detach().cpu(), "step": step + 1, "optimizer": optimizer.state_dict()}, kept)
    return fitted.detach()


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
