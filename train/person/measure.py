"""How near a layer of the torso is to the truth on frames held out, and how much of its detail it keeps."""

import math

import torch
import torch.nn.functional as F

from body import transfer
from fast_path import FastPath
from splats import draw

WINDOW = 7  # pixels: two stitches
SHOWN = "networks", "fast path", "splats alone"


def blurred(picture):
    """Means of windows of a picture [h, w, c]."""
    return F.avg_pool2d(picture.permute(2, 0, 1)[None], WINDOW, 1)[0].permute(1, 2, 0)


def detail(picture):
    """What a picture has beyond the means of its windows."""
    edge = WINDOW // 2
    return picture[edge:-edge, edge:-edge] - blurred(picture)


def gradients(picture):
    return torch.cat([picture[1:, 1:] - picture[1:, :-1], picture[1:, 1:] - picture[:-1, 1:]], 2)


class Torso:
    """Sums over frames, where the torso is and the head is not: squares of the error; of detail (truth's, the layer's, and both multiplied); of gradients."""

    def __init__(self):
        self.sums = dict.fromkeys(("error", "values", "truth", "own", "both", "truth gradients", "own gradients"), 0.0)

    @torch.no_grad()
    def add(self, truth, picture, inside):
        """Pictures [h, w, 3] over white and the torso's pixels [h, w]."""
        add = lambda name, value: self.sums.__setitem__(name, self.sums[name] + float(value))
        add("error", (picture - truth)[inside].pow(2).sum())
        add("values", 3 * inside.sum())
        whole = blurred(inside.float()[..., None])[..., 0] > 0.999
        wanted, own = detail(truth)[whole], detail(picture)[whole]
        add("truth", wanted.pow(2).sum())
        add("own", own.pow(2).sum())
        add("both", (wanted * own).sum())
        edge = WINDOW // 2
        crop = lambda x: gradients(x)[edge - 1 : -edge, edge - 1 : -edge][whole]
        add("truth gradients", crop(truth).pow(2).sum())
        add("own gradients", crop(picture).pow(2).sum())

    def figures(self):
        s = self.sums
        return {"psnr": round(-10 * math.log10(s["error"] / s["values"]), 2), "detail kept": round(s["own"] / s["truth"], 3),
                "detail's correlation": round(s["both"] / math.sqrt(s["own"] * s["truth"]), 3), "gradients kept": round(s["own gradients"] / s["truth gradients"], 3)}


@torch.no_grad()
def torso_figures(scene, layers, frames):
    """{name: figures} of layers {name: i -> (rgb [n, 3], alpha [n, 1]) of the lower rows}."""
    sums = {name: Torso() for name in layers}
    for i in frames:
        rgb, free, mask = (x.reshape(-1, scene.size, x.shape[1]) for x in scene.lower(i))
        truth, inside = rgb + free - mask, (mask[..., 0] > 0.5) & (free[..., 0] == 1)
        for name, layer_of in layers.items():
            sums[name].add(truth, over_white(scene, layer_of(i)), inside)
    return {name: total.figures() for name, total in sums.items()}


def over_white(scene, layer):
    color, alpha = (x.clamp(0, 1) for x in layer)
    return (color * alpha + 1 - alpha).reshape(-1, scene.size, 3)


@torch.no_grad()
def compared(scene, layers, frames, ways, times=2):
    """The middle of the torso in the frame whose chest turns most: the truth and `ways`, two in a row, enlarged. Where the head is, all have the truth."""
    i = max(frames, key=lambda i: float(scene.data["turns"][i, 1].norm()))
    rgb, free, mask = (x.reshape(-1, scene.size, x.shape[1]) for x in scene.lower(i))
    truth = rgb + free - mask
    pictures = [truth, *(free * over_white(scene, layers[way](i)) + (1 - free) * truth for way in ways if way in layers)]
    height, width = truth.shape[0], scene.size
    cut = [picture[height // 8 :, width // 4 : width - width // 4] for picture in pictures]
    large = [F.interpolate(x.permute(2, 0, 1)[None], scale_factor=times, mode="bicubic")[0].permute(1, 2, 0).clamp(0, 1) for x in cut]
    large += [torch.ones_like(large[0])] * (len(large) % 2)
    return torch.cat([torch.cat(large[k : k + 2], 1) for k in range(0, len(large), 2)])


def held_layers(scene, body, path, texture, torso_splats=None):
    """The ways to show the torso that are compared."""
    grid = scene.grid()
    plain = FastPath(scene, path.anchors, path.targets)

    def networks(i, fine=True):
        return body(transfer(path.homography(scene.matrices[i]), grid), scene.condition(body, i), fine)[:2]

    def baked(way):
        def layer(i):
            found = body.sample(texture, way.at(scene.matrices[i], grid))
            return found[:, :3], found[:, 3:]

        return layer

    def splats(i):
        drawn = draw(torso_splats, scene.matrices[i], scene.data["weights"][i], scene.view, scene.eye, scene.size)[scene.top :].reshape(-1, 4)
        return drawn[:, :3] / drawn[:, 3:].clamp(min=1e-4), drawn[:, 3:]

    layers = {"networks": networks, "networks without fine colour": lambda i: networks(i, False), "fast path": baked(path), "fast path, homography alone": baked(plain)}
    return layers | ({"splats alone": splats} if torso_splats else {})
