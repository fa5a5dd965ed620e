"""Cameras, rotations and skinning, with the conventions of the runtime: glTF coordinates, view space with y down and z forward."""

import math

import torch

# (name, parent, position in metres). The collar is at y = 0.06.
JOINTS = [("root", -1, (0.0, -0.30, -0.02)), ("chest", 0, (0.0, -0.20, -0.03)), ("neck", 1, (0.0, 0.06, -0.025)),
          ("head", 2, (0.0, 0.15, 0.0)), ("leftEye", 3, (0.03215, 0.22852, 0.0786)), ("rightEye", 3, (-0.03215, 0.22852, 0.0786))]
CAMERA = {"position": [0.0, 0.10, 1.62], "target": [0.0, 0.10, 0.0], "up": [0, 1, 0], "fovY": 20.0}
LANDMARKS = [(-0.15, -0.06, 0.02), (0.15, -0.06, 0.02), (0.0, -0.04, 0.09), (0.0, -0.16, 0.12)]


def view_of(camera, size, device="cpu", dtype=torch.float32):
    """(rotation [3, 3], translation [3], focal in pixels) of a square picture."""
    position = torch.tensor(camera["position"], dtype=dtype, device=device)
    forward = torch.nn.functional.normalize(torch.tensor(camera["target"], dtype=dtype, device=device) - position, dim=0)
    right = torch.nn.functional.normalize(torch.linalg.cross(forward, torch.tensor(camera["up"], dtype=dtype, device=device)), dim=0)
    rotation = torch.stack([right, torch.linalg.cross(forward, right), forward])
    return rotation, -(rotation @ position), size / 2 / math.tan(math.radians(camera["fovY"]) / 2)


def project(points, view, size):
    """World points [n, 3] -> uv [n, 2] in 0..1 and depth [n]."""
    rotation, translation, focal = view
    seen = points @ rotation.T + translation
    return seen[:, :2] / seen[:, 2:] * (focal / size) + 0.5, seen[:, 2]


def rotation_of(vector):
    """Rotation vectors [..., 3] -> matrices [..., 3, 3] (Rodrigues)."""
    x, y, z = vector.unbind(-1)
    o = torch.zeros_like(x)
    return torch.matrix_exp(torch.stack([o, -z, y, z, o, -x, -y, x, o], -1).reshape(*vector.shape[:-1], 3, 3))


def skin_matrices(turns, shift):
    """Local turns (rotation vectors [joints, 3]) and the root's shift [3] -> [joints, 3, 4]: rest -> posed."""
    local = rotation_of(turns)
    world = []
    for i, (_, parent, at) in enumerate(JOINTS):
        here = torch.tensor(at, dtype=turns.dtype, device=turns.device)
        if parent < 0:
            world.append((local[i], here + shift))
            continue
        rotation, origin = world[parent]
        offset = here - torch.tensor(JOINTS[parent][2], dtype=turns.dtype, device=turns.device)
        world.append((rotation @ local[i], origin + rotation @ offset))
    return torch.stack([torch.cat([r, (t - r @ torch.tensor(JOINTS[i][2], dtype=turns.dtype, device=turns.device))[:, None]], 1)
                        for i, (r, t) in enumerate(world)])


def blended(matrices, weights):
    """Dense skin weights [n, joints] -> one matrix [n, 3, 4] a point."""
    return (weights @ matrices.reshape(len(matrices), 12)).reshape(-1, 3, 4)


def moved(points, matrices):
    """Points [n, 3] through a matrix each."""
    return (matrices[:, :, :3] @ points[:, :, None]).squeeze(-1) + matrices[:, :, 3]


def smooth(x, low, high):
    """Smoothstep."""
    t = ((x - low) / (high - low)).clamp(0, 1)
    return t * t * (3 - 2 * t)


def skin_weights(points, kind="body"):
    """Dense weights [n, joints]: chest below, then neck, then head. `kind` "head" is rigid with the head."""
    weights = points.new_zeros(len(points), len(JOINTS))
    if kind == "head":
        weights[:, 3] = 1
        return weights
    # Chin and throat stand at one height; what is in front goes with the head.
    slanted = points[:, 1] + 0.8 * (points[:, 2] - 0.02)
    neck = smooth(slanted, 0.02, 0.10) * smooth(points[:, 1], 0.03, 0.08)
    head = smooth(slanted, 0.10, 0.15)
    weights[:, 1], weights[:, 2], weights[:, 3] = 1 - neck, neck * (1 - head), neck * head
    return weights
