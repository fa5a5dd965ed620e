"""Colours and light of the synthetic person, per pixel, from the place at rest: skin, eyes, mouth, hair, knitted wool."""

import math

import torch
import torch.nn.functional as F

from geometry import smooth, view_of
from raster import rasterize
from subject import BROW, EYE, GUMS, HAIR, KEY_LIGHT, KNIT, LASH, OFFSET, SKIN, TEETH

LIGHTS = [(KEY_LIGHT, (1.0, 0.94, 0.86), 1.75), ((0.9, 0.15, 0.55), (0.80, 0.88, 1.0), 0.55), ((0.5, 0.6, -0.9), (1.0, 0.96, 0.92), 0.9),
          ((-0.8, 0.4, -0.8), (0.9, 0.95, 1.0), 0.6)]


def color(*values):
    """sRGB 0..255 -> linear."""
    return torch.tensor([(v / 255) ** 2.2 for v in values])


def noise(p):
    """Value noise [n] 0..1 at p [n, 3]."""
    cell, part = p.floor(), p - p.floor()
    part = part * part * (3 - 2 * part)
    total = torch.zeros_like(p[:, 0])
    for corner in range(8):
        offset = torch.tensor([corner & 1, corner >> 1 & 1, corner >> 2], dtype=p.dtype, device=p.device)
        q = cell + offset
        value = torch.sin(q @ torch.tensor([127.1, 311.7, 74.7], dtype=p.dtype, device=p.device)) * 43758.5453
        weight = torch.where(offset > 0, part, 1 - part).prod(1)
        total = total + weight * (value - value.floor())
    return total


def mix(a, b, t):
    return a + (b - a) * t[:, None]


def lips(p):
    """0..1: how much a place of the face is lip."""
    x, y = p[:, 0].abs(), p[:, 1]
    across = (1 - (x / 2.45).pow(2)).clamp(min=0)
    top = -3.38 + 0.60 * across.pow(0.6) - 0.10 * torch.exp(-(x / 0.28).pow(2)) + 0.04 * torch.exp(-((x - 0.6) / 0.35).pow(2))
    bottom = -3.38 - 0.98 * across.pow(0.75)
    inside = torch.minimum(top - y, y - bottom)
    return smooth(inside, -0.10, 0.10) * (p[:, 2] > 7.5) * (x < 2.5)


def skin(p):
    """Albedo [n, 3] and gloss [n]."""
    to = lambda c: c.to(p)
    base = mix(to(color(228, 178, 152)).expand(len(p), 3), to(color(214, 158, 132)), noise(p * 0.45))
    near = lambda x, y, z, r: torch.exp(-(((p.abs() if x else p) - to(torch.tensor([x, y, z]))).pow(2).sum(1) / r**2))
    red = 0.55 * near(4.6, -0.6, 8.5, 2.4) + 0.45 * near(0.0, -0.3, 12.6, 1.5) + 0.5 * smooth(p[:, 0].abs(), 7.4, 8.6) + 0.25 * near(0.0, -6.9, 10.5, 1.8)
    base = mix(base, to(color(214, 122, 104)), (red * (0.75 + 0.5 * noise(p * 1.7))).clamp(0, 0.6))
    lid = near(3.2, 3.6, 9.0, 1.7)
    base = mix(base, to(color(186, 124, 106)), 0.42 * lid)
    freckle = smooth(noise(p * 5.5), 0.80, 0.95) * (near(3.2, 0.4, 9.8, 2.6) + near(0.0, 1.0, 11.5, 1.5)).clamp(0, 1)
    base = mix(base, to(color(166, 104, 74)), 0.38 * freckle)
    base = base * (0.965 + 0.07 * noise(p * 9))[:, None]
    lip = lips(p)
    lip_color = to(color(188, 92, 92)) * (0.86 + 0.28 * noise(p * torch.tensor([9.0, 1.5, 2.0]).to(p)))[:, None]
    base = mix(base, lip_color, 0.86 * lip)
    # Inside the mouth.
    base = mix(base, to(color(110, 40, 40)).expand(len(p), 3), smooth(p[:, 2], 9.0, 7.4) * (p[:, 0].abs() < 2.6) * (p[:, 1] < -1.2) * (p[:, 1] > -6.2))
    # Hair's roots darken the scalp.
    height = torch.where(p[:, 2] > 6.5, 9.6, torch.where(p[:, 2] > 4, 6.0, torch.where(p[:, 2] > 0, 3.0, -5.0)))
    base = mix(base, to(color(62, 40, 28)), 0.8 * smooth(p[:, 1] - height, 0.0, 1.2) * (p[:, 0].abs() < 8.2))
    return base, 0.32 + 0.5 * lip


EYE_CENTRE, EYE_TIP = (3.215, 3.652, 7.861), (3.36, 3.648, 9.66)


def eye(p):
    to = lambda v: torch.tensor(v).to(p)
    side = p[:, :1].sign()
    mirror = torch.cat([p[:, :1] * side, p[:, 1:]], 1)
    direction = F.normalize(mirror - to(EYE_CENTRE), dim=1)
    axis = F.normalize(to(EYE_TIP) - to(EYE_CENTRE), dim=0)
    angle = torch.rad2deg((direction @ axis).clamp(-1, 1).acos())
    off = direction - axis
    around = torch.atan2(off[:, 1], off[:, 0])
    white = mix(color(236, 230, 224).to(p).expand(len(p), 3), color(214, 158, 146).to(p), smooth(angle, 26, 60) * 0.75)
    fibre = noise(torch.stack([around * 9, angle * 0.22, side[:, 0] * 3], 1))
    iris = mix(color(96, 124, 92).to(p).expand(len(p), 3), color(52, 78, 66).to(p), fibre)
    iris = mix(iris, color(150, 112, 58).to(p), smooth(angle, 15, 9) * 0.75)
    iris = mix(iris, color(24, 32, 30).to(p), smooth(angle, 18.5, 21.5) * 0.85)
    result = mix(iris, white, smooth(angle, 21.0, 23.0))
    result = mix(result, color(8, 7, 7).to(p).expand(len(p), 3), smooth(angle, 9.0, 7.6))
    # The upper lid's shadow.
    shadow = 1 - 0.55 * smooth(mirror[:, 1], 3.55, 4.15)
    return result * shadow[:, None], angle


PALETTE = {"ground": (34, 66, 84), "cream": (236, 226, 204), "rust": (178, 78, 46), "gold": (214, 160, 72)}


def yoke(row, column):
    """Colour number of a stitch: 0 ground, 1 cream, 2 rust, 3 gold. Bands run around the collar."""
    r, c = row % 1000, column % 12
    middle = (c - 6).abs()
    result = torch.zeros_like(row)
    band = lambda low, high: (r >= low) & (r < high)
    result[band(2, 3)] = 1
    result[band(4, 5) & (c % 2 == 0)] = 3
    diamond = (middle + (r - 11).abs()) % 4 == 0
    result[band(6, 17) & diamond] = 1
    result[band(6, 17) & (middle + (r - 11).abs() < 3)] = 2
    result[band(18, 20)] = 1
    result[band(20, 24) & ((c + r) % 4 < 2)] = 3
    result[band(24, 26)] = 1
    star = ((c % 6 - 3).abs() == (r - 31).abs()) | ((c % 6 == 3) & ((r - 31).abs() < 4))
    result[band(27, 36) & star] = 1
    result[band(37, 38) & (c % 2 == 1)] = 2
    result[band(39, 41)] = 1
    result[band(42, 46) & (c % 4 == (r - 42))] = 1
    return result


def knit(p, uv, normal):
    """Albedo, bumped normal. p in metres."""
    centre = torch.tensor([0.0, 0.05, -0.02]).to(p)
    away = p - centre
    # Around the collar rows are rings; further down they are level.
    ring = away.norm(dim=1) - 0.075
    turn = torch.atan2(away[:, 0], away[:, 2])
    on_yoke = ring < 46 * 0.0034
    row = torch.where(on_yoke, ring / 0.0034, 60 - p[:, 1] / 0.0036)
    column = torch.where(on_yoke, turn * (168 / (2 * math.pi)), p[:, 0] / 0.0046)
    collar = uv[:, 0] > 5
    row = torch.where(collar, uv[:, 1] * 7, row)
    column = torch.where(collar, uv[:, 0] * 72 / (2 * math.pi), column)
    u, v = column - column.floor(), row
    # A stitch is a V: its rows shift with the distance from the column's middle.
    slanted = v - (u - 0.5).abs() * 1.1
    number = slanted.floor()
    part = slanted - number
    chosen = yoke(number.long(), column.floor().long())
    sparse = (number.long() % 8 == 0) & (column.floor().long() % 6 == (number.long() // 8 % 2) * 3)
    chosen = torch.where(on_yoke, chosen, sparse.long())
    chosen = torch.where(collar, torch.zeros_like(chosen), chosen)
    palette = torch.stack([color(*rgb) for rgb in PALETTE.values()]).to(p)
    wool = palette[chosen]
    groove = (1 - (2 * u - 1).abs().pow(6)) * (0.45 + 0.55 * torch.sin(part * math.pi).clamp(min=0).pow(0.6)) * (0.55 + 0.45 * smooth((u - 0.5).abs(), 0.0, 0.16))
    rib = torch.where(collar, 0.55 + 0.45 * torch.sin(uv[:, 0] * 72).clamp(min=-0.6), torch.ones_like(u))
    fuzz = 0.86 + 0.28 * noise(p * 1800)
    heather = 0.9 + 0.2 * noise(p * 260)
    shade = (0.42 + 0.58 * groove) * fuzz * heather * rib
    bump = torch.stack([(u - 0.5) * 0.5, -(part - 0.5) * 0.35, torch.zeros_like(u)], 1)
    return wool * shade[:, None], F.normalize(normal + bump * 0.6, dim=1)


def render(subject, camera, weights, turns, shift, size=512, over=2):
    """Straight pictures of one pose: rgb [size, size, 3] premultiplied sRGB, masks head and body [size, size], triangle numbers (over-sampled)."""
    device = subject.device
    big = size * over
    vertices, normals, tangents = subject.pose(weights, turns, shift)
    rotation, translation, focal = view_of(camera, big, device)
    seen = vertices @ rotation.T + translation
    points = torch.cat([seen[:, :2] / seen[:, 2:] * focal + big / 2, seen[:, 2:]], 1)

    def keep(triangle, u, v):
        shown = torch.ones_like(triangle, dtype=torch.bool)
        lash = (subject.material[triangle] == LASH).nonzero()[:, 0]
        if len(lash):
            corners = subject.uv[subject.triangles[triangle[lash]]]
            bary = torch.stack([1 - u[lash] - v[lash], u[lash], v[lash]], 1)
            at = (corners * bary[:, :, None]).sum(1)
            upper = subject.rest[subject.triangles[triangle[lash], 0], 1] > OFFSET[1] + 0.0362
            shown[lash] = upper & (torch.sin(at[:, 0] * 300 + 2 * torch.sin(at[:, 0] * 47)) > 0.35)
        return shown

    _, triangle, bary = rasterize(points, subject.triangles, big, keep)
    flat = triangle.reshape(-1)
    index = (flat >= 0).nonzero()[:, 0]
    chosen, bary = flat[index], bary.reshape(-1, 3)[index].clamp(-0.5, 1.5)
    corner = subject.triangles[chosen]
    blend = lambda values: (values[corner] * bary[:, :, None]).sum(1) if values.ndim > 1 else (values[corner] * bary).sum(1)
    place, at = blend(subject.rest), blend(vertices)
    normal = F.normalize(blend(normals), dim=1, eps=1e-9)
    towards = F.normalize(torch.tensor(camera["position"], device=device) - at, dim=1)
    normal = torch.where(((normal * towards).sum(1) < 0)[:, None], -normal, normal)
    light = shade_all(subject, subject.material[chosen], place, normal, F.normalize(blend(tangents), dim=1, eps=1e-9), blend(subject.uv), towards,
                      blend(subject.occlusion), blend(subject.lit))
    rgb = torch.zeros(big * big, 3, device=device)
    rgb[index] = encode(light)
    body = torch.zeros(big * big, device=device)
    body[index] = (subject.material[chosen] == KNIT).float()
    person = torch.zeros(big * big, device=device)
    person[index] = 1
    shrink = lambda x: F.avg_pool2d(x.reshape(1, big, big, -1).permute(0, 3, 1, 2), over)[0].permute(1, 2, 0)
    person, body = shrink(person)[..., 0], shrink(body)[..., 0]
    return shrink(rgb), person - body, body, triangle, vertices


def encode(light):
    """Filmic shoulder, then sRGB's curve."""
    x = light * 0.92
    mapped = x * (1 + x / 4.0) / (1 + x)
    return (mapped * 1.28).clamp(0, 1).pow(1 / 2.2)


def shade_all(subject, material, place, normal, tangent, uv, towards, occlusion, lit):
    cm = (place - torch.tensor(OFFSET, dtype=place.dtype, device=place.device)) * 100
    out = torch.zeros_like(place)
    for kind in material.unique().tolist():
        m = material == kind
        out[m] = shade_one(kind, place[m], cm[m], normal[m], tangent[m], uv[m], towards[m], occlusion[m], lit[m])
    return out


def shade_one(kind, place, cm, normal, tangent, uv, towards, occlusion, lit):
    ambient = mix(color(150, 138, 130).to(place).expand(len(place), 3), color(215, 222, 232).to(place), 0.5 + 0.5 * normal[:, 1])
    spec_power, spec_level, wrap = 24.0, torch.full_like(occlusion, 0.06), torch.tensor([0.15, 0.15, 0.15])
    if kind == SKIN:
        albedo, gloss = skin(cm)
        normal = F.normalize(normal + 0.10 * (torch.stack([noise(cm * 11 + k * 17) for k in range(3)], 1) - 0.5), dim=1)
        spec_level, wrap = 0.22 * gloss, torch.tensor([0.42, 0.24, 0.18])
        occlusion = occlusion.clamp(min=0.03)
        occlusion = torch.stack([occlusion.pow(0.75), occlusion.pow(1.0), occlusion.pow(1.1)], 1)
    elif kind == EYE:
        albedo, _ = eye(cm)
        spec_power, spec_level = 350.0, torch.full_like(lit, 5.0)
        occlusion, lit = 0.35 + 0.65 * occlusion.clamp(0.3, 1), lit.clamp(min=0.55)
    elif kind in (TEETH, GUMS):
        albedo = color(*((232, 222, 204) if kind == TEETH else (176, 88, 86))).to(place).expand(len(place), 3)
        deep = smooth(cm[:, 2], 5.0, 9.8)
        occlusion, lit = 0.08 + 0.55 * deep, 0.1 + 0.45 * deep
        spec_power, spec_level = 60.0, torch.full_like(lit, 0.25) * deep
    elif kind in (HAIR, BROW, LASH):
        return strands(kind, tangent, uv, towards, occlusion, lit, ambient)
    else:
        albedo, normal = knit(place, uv, normal)
        wrap = torch.tensor([0.22, 0.22, 0.22])
        occlusion = occlusion.clamp(min=0.05)
        spec_level = torch.zeros_like(lit)
    occlusion = occlusion if occlusion.ndim == 2 else occlusion[:, None]
    total = albedo * ambient * occlusion * 0.62
    wrap = wrap.to(place)
    for i, (direction, tone, level) in enumerate(LIGHTS):
        direction = F.normalize(torch.tensor(direction), dim=0).to(place)
        facing = (normal @ direction)[:, None]
        soft = ((facing + wrap) / (1 + wrap)).clamp(min=0).pow(1.15)
        shadow = lit[:, None] if i == 0 else occlusion.clamp(0, 1) ** 0.7
        if kind == SKIN and i == 0:
            shadow = torch.cat([lit[:, None].pow(0.62), lit[:, None], lit[:, None].pow(1.08)], 1)
        half = F.normalize(direction + towards, dim=1)
        facing_half = (normal * half).sum(1).clamp(min=0)
        fresnel = 0.35 + 0.65 * (1 - (towards * half).sum(1)).clamp(0, 1).pow(5) * 4
        glint = spec_level * fresnel * (0.7 * facing_half.pow(spec_power) + 0.3 * facing_half.pow(spec_power / 4)) * (facing[:, 0] > 0)
        total = total + torch.tensor(tone).to(place) * level * shadow * (albedo * soft + glint[:, None]) * 0.75
    return total


def strands(kind, tangent, uv, towards, occlusion, lit, ambient):
    """Kajiya and Kay's light on strands: a plain lobe and a coloured one shifted along the strand."""
    along, tint = uv[:, 0], uv[:, 1]
    if kind == LASH:
        return color(30, 20, 16).to(towards).expand(len(along), 3) * 0.5
    dark, bright = (color(58, 34, 22), color(140, 88, 52)) if kind == HAIR else (color(58, 38, 28), color(88, 60, 44))
    share = (0.25 + 0.30 * tint + 0.40 * along).clamp(0, 1)
    albedo = mix(dark.to(towards).expand(len(along), 3), bright.to(towards), share)
    depth = occlusion.clamp(0.04, 1)[:, None]
    total = albedo * ambient * depth * 0.75
    for i, (direction, tone, level) in enumerate(LIGHTS):
        direction = F.normalize(torch.tensor(direction), dim=0).to(towards)
        shadow = (0.15 + 0.85 * lit)[:, None] if i == 0 else depth
        across = (1 - (tangent @ direction).pow(2)).clamp(min=0).sqrt()
        half = F.normalize(direction + towards, dim=1)
        lobe = lambda shift, power: (1 - ((tangent * half).sum(1) + shift).clamp(-1, 1).pow(2)).clamp(min=0).sqrt().pow(power)
        shine = 0.055 * lobe(0.06 + 0.05 * tint, 90)[:, None] + 0.42 * albedo * lobe(-0.10 + 0.05 * tint, 28)[:, None]
        if kind == BROW:
            shine = shine * 0.2
        total = total + torch.tensor(tone).to(towards) * level * shadow * (albedo * across[:, None] * 0.55 + shine) * 0.8
    return total
