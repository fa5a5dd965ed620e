"""Writes and reads the parts of an avatar archive (docs/avatar-format.md): PLY of splats, glTF with skin and sparse morphs, clips, safetensors, ZIP."""

import json
import struct
import zipfile

import numpy as np

FLOAT, U32, U16 = 5126, 5125, 5123


def ply(columns):
    """Binary PLY of named float columns, each [n]."""
    names = list(columns)
    rows = np.stack([np.asarray(columns[name], "<f4") for name in names], 1)
    header = "\n".join(["ply", "format binary_little_endian 1.0", f"element vertex {len(rows)}",
                        *[f"property float {name}" for name in names], "end_header", ""])
    return header.encode() + np.ascontiguousarray(rows).tobytes()


class Glb:
    """Collects accessors of one binary glTF."""

    def __init__(self):
        self.json = {"asset": {"version": "2.0", "generator": "vitrail"}, "buffers": [], "bufferViews": [], "accessors": []}
        self.data = bytearray()

    def view(self, array):
        while len(self.data) % 4:
            self.data.append(0)
        self.json["bufferViews"].append({"buffer": 0, "byteOffset": len(self.data), "byteLength": array.nbytes})
        self.data += array.tobytes()
        return len(self.json["bufferViews"]) - 1

    def accessor(self, array, kind, component, **more):
        array = np.ascontiguousarray(array)
        entry = {"bufferView": self.view(array), "componentType": component, "count": len(array), "type": kind, **more}
        self.json["accessors"].append(entry)
        return len(self.json["accessors"]) - 1

    def sparse(self, count, indices, values):
        entry = {"componentType": FLOAT, "count": count, "type": "VEC3"}
        if len(indices):
            index = np.ascontiguousarray(indices, "<u4" if count > 65535 else "<u2")
            entry["sparse"] = {"count": len(index),
                               "indices": {"bufferView": self.view(index), "componentType": U32 if count > 65535 else U16},
                               "values": {"bufferView": self.view(np.ascontiguousarray(values, "<f4"))}}
        self.json["accessors"].append(entry)
        return len(self.json["accessors"]) - 1

    def bytes(self):
        while len(self.data) % 4:
            self.data.append(0)
        self.json["buffers"] = [{"byteLength": len(self.data)}]
        text = json.dumps(self.json, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 4)
        total = 12 + 8 + len(text) + 8 + len(self.data)
        return (struct.pack("<III", 0x46546C67, 2, total) + struct.pack("<II", len(text), 0x4E4F534A) + text
                + struct.pack("<II", len(self.data), 0x004E4942) + bytes(self.data))


def joint_nodes(joints):
    """Nodes of (name, parent, absolute position) joints; parents first."""
    nodes = []
    for i, (name, parent, at) in enumerate(joints):
        base = np.zeros(3) if parent < 0 else np.asarray(joints[parent][2])
        nodes.append({"name": name, "translation": [round(float(v), 6) for v in np.asarray(at) - base]})
        children = [k for k, joint in enumerate(joints) if joint[1] == i]
        if children:
            nodes[-1]["children"] = children
    return nodes


def skin_glb(positions, joints, skin_joints, skin_weights, morphs):
    """Mesh of points with a skin. `joints`: (name, parent, position); `morphs`: {name: (indices, deltas)}."""
    glb = Glb()
    positions = np.asarray(positions, "<f4")
    binds = np.tile(np.eye(4, dtype="<f4"), (len(joints), 1, 1))
    binds[:, 3, :3] = [-np.asarray(at) for _, _, at in joints]  # column-major
    attributes = {
        "POSITION": glb.accessor(positions, "VEC3", FLOAT, min=positions.min(0).tolist(), max=positions.max(0).tolist()),
        "JOINTS_0": glb.accessor(np.asarray(skin_joints, "<u2"), "VEC4", U16),
        "WEIGHTS_0": glb.accessor(np.asarray(skin_weights, "<f4"), "VEC4", FLOAT),
    }
    targets = [{"POSITION": glb.sparse(len(positions), *morph)} for morph in morphs.values()]
    binds = glb.accessor(binds.reshape(-1, 16), "MAT4", FLOAT)
    nodes = joint_nodes(joints)
    nodes.append({"name": "splats", "mesh": 0, "skin": 0})
    glb.json |= {
        "nodes": nodes, "scene": 0, "scenes": [{"nodes": [0, len(nodes) - 1]}],
        "skins": [{"joints": list(range(len(joints))), "inverseBindMatrices": binds}],
        "meshes": [{"primitives": [{"attributes": attributes, "targets": targets, "mode": 0}], "extras": {"targetNames": list(morphs)}}],
    }
    return glb.bytes()


def animation_glb(joints, clips):
    """`clips`: {name: {joint: (times [t], {"rotation": [t, 4] x y z w, "translation": [t, 3]})}}; translations are relative to rest."""
    glb = Glb()
    nodes = joint_nodes(joints)
    names = [name for name, _, _ in joints]
    animations = []
    for clip, moved in clips.items():
        channels, samplers = [], []
        for joint, (times, paths) in moved.items():
            node = names.index(joint)
            times = np.asarray(times, "<f4")
            stamp = glb.accessor(times, "SCALAR", FLOAT, min=[float(times[0])], max=[float(times[-1])])
            for path, values in paths.items():
                values = np.asarray(values, "<f4")
                if path == "translation":
                    values = values + np.asarray(nodes[node]["translation"], "<f4")
                kind = "VEC4" if path == "rotation" else "VEC3"
                samplers.append({"input": stamp, "output": glb.accessor(values, kind, FLOAT), "interpolation": "LINEAR"})
                channels.append({"sampler": len(samplers) - 1, "target": {"node": node, "path": path}})
        animations.append({"name": clip, "channels": channels, "samplers": samplers})
    glb.json |= {"nodes": nodes, "scene": 0, "scenes": [{"nodes": [0]}], "animations": animations}
    return glb.bytes()


def safetensors(tensors, metadata):
    """`tensors`: {name: float16 or float32 array}."""
    header, data = {"__metadata__": metadata}, bytearray()
    for name, array in tensors.items():
        array = np.ascontiguousarray(array)
        kind = {"float16": "F16", "float32": "F32"}[array.dtype.name]
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [len(data), len(data) + array.nbytes]}
        data += array.tobytes()
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + bytes(data)


def read_safetensors(content):
    """Metadata and {name: array} of what `safetensors` wrote."""
    start = 8 + struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8:start])
    metadata = header.pop("__metadata__")
    kinds = {"F16": np.float16, "F32": np.float32}
    read = lambda kind, shape, offsets: np.frombuffer(content[start + offsets[0] : start + offsets[1]], kinds[kind]).reshape(shape)
    return metadata, {name: read(entry["dtype"], entry["shape"], entry["data_offsets"]) for name, entry in header.items()}


def read_zip(path):
    """{name: content}, in order."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write_zip(path, files):
    """Deflated, dates fixed, so that the same content gives the same bytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED, 9)
