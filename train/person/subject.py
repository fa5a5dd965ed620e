"""The synthetic person: face mesh (ICT-FaceKit), hair and brows of strands, a knitted sweater. Geometry at rest, morphs, skin, baked occlusion."""

import math

import numpy as np
import torch

from geometry import JOINTS, blended, moved, skin_matrices, skin_weights
from raster import rasterize

SKIN, EYE, TEETH, GUMS, LASH, HAIR, BROW, KNIT = range(8)
OFFSET = np.array([0.0, 0.192, 0.0])  # metres: where the mesh's origin stands
IDENTITY = {0: -0.55, 1: 0.25, 2: -0.3, 4: 0.5, 6: -0.35}  # direction: weight
# What the face at rest has of its expressions: a friendly look.
MOOD = {"mouthSmileLeft": 0.24, "mouthSmileRight": 0.24, "browInnerUp": 0.16, "browOuterUpLeft": 0.06, "browOuterUpRight": 0.06, "cheekSquintLeft": 0.1, "cheekSquintRight": 0.1}
BOTH = {"browInnerUp": ("browInnerUp_L", "browInnerUp_R"), "cheekPuff": ("cheekPuff_L", "cheekPuff_R")}


def arkit_morphs(data):
    """{ARKit name: deltas [vertices, 3] in cm} of the 51 expressions that the mesh has."""
    names = [str(name) for name in data["expression_names"]]
    deltas = data["expressions"].astype(np.float32)
    morphs = {}
    for name in names:
        if name.startswith(("PupilDilate", "cheekRaiser")):
            continue
        whole = name.replace("_L", "").replace("_R", "")
        if whole in BOTH:
            morphs[whole] = sum(deltas[names.index(part)] for part in BOTH[whole])
        else:
            morphs[name.replace("_L", "Left").replace("_R", "Right")] = deltas[names.index(name)]
    return dict(sorted(morphs.items()))


class Mesh:
    """Pieces of geometry put together. `cm` is the place in the face mesh's own centimetres, which procedural colours read."""

    def __init__(self):
        self.parts = []
        self.count = 0

    def add(self, vertices, triangles, material, skin, nearest=None, uv=None, tangent=None, tint=None):
        n = len(vertices)
        self.parts.append(dict(
            vertices=vertices, triangles=triangles + self.count, material=np.broadcast_to(material, len(triangles)), skin=skin,
            nearest=np.full(n, -1) if nearest is None else nearest, uv=np.zeros((n, 2)) if uv is None else uv,
            tangent=np.zeros((n, 3)) if tangent is None else tangent, tint=np.zeros(n) if tint is None else tint))
        self.count += n

    def column(self, name):
        return np.concatenate([part[name] for part in self.parts])


def sweater_distance(p):
    """Signed distance, metres, of the clothed torso (smooth union of capsules and an ellipsoid)."""
    def capsule(a, b, r0, r1):
        a, b = np.array(a), np.array(b)
        h = np.clip((p - a) @ (b - a) / ((b - a) @ (b - a)), 0, 1)
        return np.linalg.norm(p - a - h[..., None] * (b - a), axis=-1) - (r0 + (r1 - r0) * h)

    def join(a, b, k):
        h = np.clip(0.5 + 0.5 * (b - a) / k, 0, 1)
        return b + (a - b) * h - k * h * (1 - h)

    radii = np.array([0.162, 0.26, 0.098])
    q = (p - np.array([0.0, -0.19, -0.005])) / radii
    d = (np.linalg.norm(q, axis=-1) - 1) * radii.min()
    for side in (-1, 1):
        d = join(d, capsule((side * 0.045, 0.058, -0.035), (side * 0.15, 0.005, -0.035), 0.042, 0.052), 0.03)
        d = join(d, capsule((side * 0.165, -0.02, -0.035), (side * 0.205, -0.40, -0.02), 0.054, 0.05), 0.018)
    d = join(d, capsule((0, 0.045, -0.012), (0, -0.05, 0.02), 0.066, 0.08), 0.04)
    for side in (-1, 1):
        d = join(d, np.linalg.norm(p - np.array([side * 0.07, -0.155, 0.06]), axis=-1) - 0.06, 0.05)
    return d


def sweater(mesh, collar_radius=(0.071, 0.068)):
    """The torso as a grid of rays towards its middle, and a ribbed collar."""
    across, down = 420, 300
    azimuth = np.linspace(-math.pi, math.pi, across + 1)
    elevation = np.linspace(math.radians(80), math.radians(-62), down + 1)
    e, a = np.meshgrid(elevation, azimuth, indexing="ij")
    direction = np.stack([np.cos(e) * np.sin(a), np.sin(e), np.cos(e) * np.cos(a)], -1).reshape(-1, 3)
    middle = np.array([0.0, -0.13, -0.01])
    travelled = np.full(len(direction), 0.55)
    for _ in range(60):
        travelled -= 0.7 * sweater_distance(middle + direction * travelled[:, None])
    vertices = middle + direction * travelled[:, None]
    folds = 0.0022 * np.sin(vertices[:, 1] * 75 + 9 * np.abs(vertices[:, 0]) * 6) * np.clip((np.abs(vertices[:, 0]) - 0.06) * 10, 0, 1)
    vertices += direction * folds[:, None]
    i = np.arange(down)[:, None] * (across + 1) + np.arange(across)[None]
    i = i.reshape(-1)
    triangles = np.concatenate([np.stack([i, i + across + 1, i + 1], 1), np.stack([i + 1, i + across + 1, i + across + 2], 1)])
    centre = vertices[triangles].mean(1)
    hole = ((centre[:, 0] / collar_radius[0]) ** 2 + ((centre[:, 2] + 0.018) / collar_radius[1]) ** 2 < 0.97) & (centre[:, 1] > 0)
    add_cloth(mesh, vertices, triangles[~hole])
    collar(mesh, collar_radius)


def collar(mesh, radius):
    """A ribbed crew collar: a tube's outer half standing on the opening; higher behind than in front."""
    around, over = 360, 26
    angle, turn = np.meshgrid(np.linspace(0, 2 * math.pi, around + 1), np.linspace(-0.45 * math.pi, 1.05 * math.pi, over + 1), indexing="ij")
    rib = 1 + 0.05 * np.sin(angle * 72)
    out = 0.0085 * np.cos(turn) * rib
    up = 0.015 * np.sin(turn)
    high = 0.06 - 0.022 * np.cos(angle) + 0.004 * np.cos(2 * angle)
    vertices = np.stack([(radius[0] + out) * np.sin(angle), high + up, -0.018 + (radius[1] + out) * np.cos(angle)], -1).reshape(-1, 3)
    i = (np.arange(around)[:, None] * (over + 1) + np.arange(over)[None]).reshape(-1)
    triangles = np.concatenate([np.stack([i, i + over + 1, i + 1], 1), np.stack([i + 1, i + over + 1, i + over + 2], 1)])
    add_cloth(mesh, vertices, triangles, np.stack([angle, turn], -1).reshape(-1, 2) + np.array([10.0, 0]))


def add_cloth(mesh, vertices, triangles, uv=None):
    skin = skin_weights(torch.tensor(vertices))
    # The collar lies on the shoulders and follows the neck a little.
    skin[:, 1] += skin[:, 2] * 0.7 + skin[:, 3]
    skin[:, 2] *= 0.3
    skin[:, 3] = 0
    mesh.add(vertices, triangles, KNIT, skin.numpy(), uv=uv)


def ribbons(curves, width):
    """Curves [n, k, 3] -> flat bands of two triangles a segment; vertices, triangles, tangents, place along (0 root..1)."""
    n, k, _ = curves.shape
    tangent = np.gradient(curves, axis=1)
    tangent /= np.linalg.norm(tangent, axis=2, keepdims=True) + 1e-9
    outward = curves - np.array([0, 5.0, 0.5])
    side = np.cross(tangent, outward)
    side /= np.linalg.norm(side, axis=2, keepdims=True) + 1e-9
    along = np.broadcast_to(np.linspace(0, 1, k)[None, :], (n, k))
    half = (np.reshape(width, (-1, 1)) * (1 - 0.75 * along**3))[..., None] / 2
    vertices = np.stack([curves - side * half, curves + side * half], 2).reshape(-1, 3)
    i = (np.arange(n)[:, None] * k + np.arange(k - 1)[None]).reshape(-1) * 2
    triangles = np.concatenate([np.stack([i, i + 1, i + 2], 1), np.stack([i + 1, i + 3, i + 2], 1)])
    twice = lambda x: np.repeat(x.reshape(n * k, -1), 2, 0)
    return vertices, triangles, twice(tangent), twice(along)[:, 0]


def hairline(p):
    """How far inside the hair's roots a point of the head lies, cm."""
    height = np.interp(p[:, 2], [-9, -3, -0.5, 1.5, 3.6, 5.2, 7.2, 8.8, 13], [-6, -6, -1, 3.6, 3.0, 6.2, 8.8, 9.7, 9.8])
    return p[:, 1] - height - 0.35 * np.sin(p[:, 0] * 1.3) * (p[:, 2] > 6)


def head_distance(p):
    """Rough distance, cm, from an ellipsoid around the skull and one around the neck."""
    def ellipsoid(centre, radii):
        q = (p - centre) / radii
        length = np.linalg.norm(q, axis=-1)
        return length * (length - 1) / (np.linalg.norm(q / radii, axis=-1) + 1e-9)
    return np.minimum(ellipsoid(np.array([0, 5.2, 0.6]), np.array([7.9, 9.4, 9.9])), ellipsoid(np.array([0, -2.0, 3.2]), np.array([7.3, 8.6, 6.6])))


def hair(mesh, face, normals, triangles, rng, strands, segments=22):
    """A bob with a side parting: strands leave the parting to both sides and fall around the face to the jaw."""
    corners = face[triangles]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    centre = corners.mean(1)
    ear = (np.abs(centre[:, 0]) > 7.5) & (centre[:, 1] < 3.8)
    chance = area * (hairline(centre) > 0) * ~ear
    pick = rng.choice(len(triangles), strands, p=chance / chance.sum())
    bary = rng.dirichlet((1, 1, 1), strands)
    root = (corners[pick] * bary[:, :, None]).sum(1)
    normal = (normals[triangles[pick]] * bary[:, :, None]).sum(1)
    side = np.where(root[:, 0] > 1.6 + 0.25 * rng.standard_normal(strands), 1.0, -1.0)
    front = np.clip((root[:, 2] - 2) / 6, 0, 1)
    crown = np.clip((root[:, 1] - 6) / 6, 0, 1)
    clump = np.round(root * np.array([0.9, 0.9, 0.9]) + 0.15 * rng.standard_normal(root.shape))
    phase = (clump @ np.array([12.9, 78.2, 37.7])) % (2 * math.pi)
    length = (15.5 + 7 * crown) * (0.88 + 0.12 * rng.random(strands)) * np.clip(0.55 + (root[:, 1] + 6) / 10, 0.45, 1)
    step = length / (segments - 1)
    direction = normal * 0.5 + np.stack([side * (0.75 + 0.5 * crown), 0.25 * crown, -0.55 * front - 0.15], 1)
    direction[:, 1] -= 0.5 * (1 - crown)
    lift = 0.32 + 0.42 * crown + 0.25 * rng.random(strands)
    points = [root]
    p = root.copy()
    for k in range(1, segments):
        along = k / segments
        pull = np.stack([side * (0.02 - 0.34 * along), np.full(strands, -0.55 - 0.25 * along),
                         np.where(p[:, 2] > 3.5, -0.28 * (1 - along), 0.04)], 1)
        wave = 0.07 * np.sin(phase + along * 8)
        pull[:, 0] += wave
        pull[:, 2] += 0.07 * np.cos(phase + along * 7)
        direction = direction / (np.linalg.norm(direction, axis=1, keepdims=True) + 1e-9) + pull * 0.55
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        p = p + direction * step[:, None]
        room = lift * min(1, k / 4) + 0.35 * math.sin(min(1, along * 1.4) * math.pi)
        for _ in range(2):
            eps = 0.05
            d = head_distance(p)
            gradient = np.stack([head_distance(p + eps * axis) - d for axis in np.eye(3)], 1)
            gradient /= np.linalg.norm(gradient, axis=1, keepdims=True) + 1e-9
            p = p + gradient * np.maximum(0, room - d)[:, None]
        # The face stays free: what hangs in front goes back beside it.
        free = np.clip((p[:, 2] - 5.5) / 3, 0, 1) * (p[:, 1] < 9.0)
        p[:, 0] += side * free * np.maximum(0, 7.4 - np.abs(p[:, 0])) * 0.25
        p[:, 2] -= free * 0.35
        points.append(p.copy())
    curves = np.stack(points, 1)
    vertices, bands, tangent, along = ribbons(curves, 0.11 + 0.06 * rng.random(strands))
    tint = np.repeat((np.sin(phase * 3.1) * 0.5 + rng.standard_normal(strands) * 0.35), segments * 2)
    add_rigid(mesh, vertices, bands, HAIR, tangent, along, tint)


def add_rigid(mesh, vertices, bands, material, tangent, along, tint, nearest=None):
    place = vertices / 100 + OFFSET
    skin = skin_weights(torch.tensor(place), "head").numpy()
    mesh.add(place, bands, material, skin, nearest, np.stack([along, tint], 1), tangent, tint)


def brows(mesh, face, front, rng, strands=420):
    """Short strands over the eyes that rise and fall with the nearest vertex of the face."""
    share = np.repeat(rng.random(strands), 1)
    side = np.where(np.arange(strands) % 2, 1.0, -1.0)
    x = np.interp(share, [0, 0.35, 0.72, 1], [1.25, 2.6, 4.1, 5.35])
    y = np.interp(share, [0, 0.35, 0.72, 1], [4.82, 5.15, 5.48, 5.02])
    thick = np.interp(share, [0, 0.2, 0.7, 1], [0.22, 0.26, 0.17, 0.05])
    y = y + thick * rng.uniform(-1, 1, strands)
    flat = np.stack([x * side, y], 1)
    near = np.array([front[np.argmin(((face[front, :2] - at) ** 2).sum(1) - 0.02 * face[front, 2])] for at in flat])
    root = np.concatenate([flat, face[near, 2:3] + 0.02], 1)
    rise = np.interp(share, [0, 0.25, 0.8, 1], [0.9, 0.45, -0.15, -0.55])
    direction = np.stack([side * 1.0, rise + 0.25 * rng.standard_normal(strands), np.full(strands, 0.0)], 1)
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    length = np.interp(share, [0, 0.2, 1], [0.45, 0.62, 0.4])[:, None]
    t = np.linspace(0, 1, 4)[None, :, None]
    curves = root[:, None] + direction[:, None] * length[:, None] * t
    curves[:, :, 2] += 0.09 * np.sin(t[:, :, 0] * 3.0) - 0.10 * np.clip((np.abs(curves[:, :, 0]) - 2.5), 0, 3) * t[:, :, 0] * length
    vertices, bands, tangent, along = ribbons(curves, np.full(strands, 0.055))
    nearest = np.repeat(near, 8)
    add_rigid(mesh, vertices, bands, BROW, tangent, along, np.repeat(rng.standard_normal(strands) * 0.3, 8), nearest)


def vertex_normals(vertices, triangles):
    corners = vertices[triangles]
    face = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = torch.zeros_like(vertices)
    for k in range(3):
        normals.index_add_(0, triangles[:, k], face)
    return torch.nn.functional.normalize(normals, dim=1, eps=1e-12)


class Subject:
    """All geometry as tensors of one device."""

    def __init__(self, npz, device, strands=7000, occlusion=64):
        data = np.load(npz, allow_pickle=True)
        rng = np.random.default_rng(11)
        face = data["vertices"] + sum(weight * data["identities"][i].astype(np.float32) for i, weight in IDENTITY.items())
        self.morph_names, morphs = zip(*arkit_morphs(data).items())
        face = face + sum(weight * morphs[self.morph_names.index(name)] for name, weight in MOOD.items())
        triangles, kinds = data["triangles"], data["triangle_material"]
        names = list(data["materials"])
        mesh = Mesh()
        kept, material = [], []
        for name, kind in (("M_Face", SKIN), ("M_BackHead", SKIN), ("M_GumsTongue", GUMS), ("M_Teeth", TEETH), ("M_ScleraLeft", EYE), ("M_ScleraRight", EYE),
                           ("M_EyeLashes", LASH)):
            chosen = triangles[kinds == names.index(name)]
            kept.append(chosen)
            material.append(np.full(len(chosen), kind))
        kept, material = np.concatenate(kept), np.concatenate(material)
        place = face / 100 + OFFSET
        beside = (place[:, 0] / 0.073) ** 2 + ((place[:, 2] + 0.018) / 0.072) ** 2 > 1
        hidden = (place[:, 1] < 0.035) | (beside & (place[:, 1] < 0.085) & (place[:, 2] < 0.06))
        visible = ~hidden[kept].any(1)
        kept, material = kept[visible], material[visible]
        skin = skin_weights(torch.tensor(place, dtype=torch.float64)).numpy()
        for joint, side in ((4, 1), (5, -1)):
            eye = np.unique(kept[(material == EYE) & (face[kept[:, 0], 0] * side > 0)])
            skin[eye] = 0
            skin[eye, joint] = 1
        inside = np.unique(kept[(material == TEETH) | (material == GUMS) | (material == LASH)])
        skin[inside] = 0
        skin[inside, 3] = 1
        uv = np.zeros((len(face), 2), np.float32)
        lash = kinds == names.index("M_EyeLashes")
        uv[triangles[lash].reshape(-1)] = data["uv"][data["triangle_uv"][lash].reshape(-1)]
        mesh.add(place, kept, material, skin, np.arange(len(face)), uv)
        self.mesh_triangles = len(kept)
        scalp = kept[material == SKIN]
        normals = vertex_normals(torch.tensor(face), torch.tensor(scalp)).numpy()
        hair(mesh, face, normals, scalp, rng, strands)
        front = np.flatnonzero((normals[:, 2] > 0.2) & (face[:, 2] > 5) & (face[:, 1] > 3))
        brows(mesh, face, front, rng)
        sweater(mesh)
        tensor = lambda name, kind=torch.float32: torch.tensor(mesh.column(name), dtype=kind, device=device)
        self.device = device
        self.rest, self.triangles, self.material = tensor("vertices"), tensor("triangles", torch.int64), tensor("material", torch.int64)
        self.skin, self.uv, self.tangent = tensor("skin"), tensor("uv"), tensor("tangent")
        self.nearest = tensor("nearest", torch.int64)
        self.morphs = torch.tensor(np.stack(morphs), dtype=torch.float32, device=device) / 100
        self.smooth_count = int((self.material < HAIR).sum()), int((self.material == KNIT).sum())
        strand = (self.material == HAIR) | (self.material == BROW)
        self.solid = ~strand
        self.neutral = {}
        self.occlusion, self.lit = bake(self, occlusion)

    def pose(self, weights, turns, shift):
        """Expression weights [51], turns [joints, 3], shift [3] -> vertices, normals, tangents posed."""
        delta = torch.einsum("e,evc->vc", weights, self.morphs)
        delta = torch.where((self.nearest >= 0)[:, None], delta[self.nearest.clamp(min=0)], torch.zeros((), device=self.device))
        matrices = blended(skin_matrices(turns, shift), self.skin)
        vertices = moved(self.rest + delta, matrices)
        normals = vertex_normals(vertices, self.triangles[self.solid])
        tangents = torch.nn.functional.normalize((matrices[:, :, :3] @ self.tangent[:, :, None])[:, :, 0], dim=1, eps=1e-9)
        return vertices, normals, tangents


def bake(subject, directions, size=640):
    """Ambient occlusion (share of the sky that each vertex sees) and share of the key light's area, from depth maps."""
    device = subject.device
    k = torch.arange(directions, dtype=torch.float64) + 0.5
    height, turn = 1 - 2 * k / directions, math.pi * (1 + 5**0.5) * k
    flat = (1 - height**2).sqrt()
    sky = torch.stack([flat * turn.cos(), height, flat * turn.sin()], 1).float()
    generator = torch.Generator().manual_seed(3)
    key = torch.tensor(KEY_LIGHT) + 0.16 * torch.randn(max(4, directions // 4), 3, generator=generator)
    normals = vertex_normals(subject.rest, subject.triangles[subject.solid])
    strand = normals.norm(dim=1) < 0.5
    casting = subject.triangles[subject.material != LASH]
    seen, total = torch.zeros(len(normals), device=device), torch.zeros(len(normals), device=device)
    lit = torch.zeros(len(normals), device=device)
    for i, direction in enumerate(torch.cat([sky, key])):
        direction = torch.nn.functional.normalize(direction, dim=0).to(device)
        up = torch.tensor([0.0, 0.0, 1.0] if abs(direction[1]) > 0.9 else [0.0, 1.0, 0.0], device=device)
        right = torch.nn.functional.normalize(torch.linalg.cross(up, direction), dim=0)
        frame = torch.stack([right, torch.linalg.cross(direction, right), -direction])
        place = (subject.rest - torch.tensor([0.0, 0.05, 0.0], device=device)) @ frame.T
        xy = (place[:, :2] / 0.9 + 0.5) * size
        depth, _, _ = rasterize(torch.cat([xy, place[:, 2:] + 5], 1), casting, size, depth_only=True)
        at = xy.long().clamp(0, size - 1)
        bias = torch.where(strand, 0.010, 0.0035)
        free = (place[:, 2] + 5 - bias <= depth[at[:, 1], at[:, 0]]).float()
        facing = (normals @ direction).clamp(min=0)
        facing[strand] = 0.6
        if i < directions:
            sky_weight = facing * (0.6 + 0.4 * direction[1])
            seen += sky_weight * free
            total += sky_weight
        else:
            lit += free / len(key)
    return seen / total.clamp(min=1e-4), lit


KEY_LIGHT = [-0.55, 0.55, 0.75]
