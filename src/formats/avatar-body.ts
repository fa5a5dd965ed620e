import { halfToNumber } from '../quant/half.ts';
import type { Camera } from '../types.ts';
import type { ModelHeader, TensorInfo } from './header.ts';
import { parseSafetensorsHeader } from './safetensors.ts';
import { corruptSplats, unsupportedSplats } from './splat-cloud.ts';
import { findEntry, type ZipEntry } from './zip.ts';

/** Points that joints move, as splats are moved. */
export interface SkinnedPoints {
  count: number;
  /** [count, 3] metres, at rest. */
  positions: Float32Array;
  /** [count, 4] joints of the rig. */
  joints: Uint16Array;
  /** [count, 4] their weights; a point's sum is 1. */
  weights: Float32Array;
}

/** y = W x + b. */
export interface LinearLayer {
  inputs: number;
  outputs: number;
  /** [outputs, inputs] */
  weight: Float32Array;
  /** [outputs] */
  bias: Float32Array;
}

/** Channels of a square map, one after the other: [channels, size, size]. */
export interface FeatureMap {
  channels: number;
  size: number;
  values: Float32Array;
}

/** The body of an avatar as a neural texture (docs/avatar-format.md; Gaussian Head & Shoulders, arXiv 2405.12069). */
export interface AvatarBody {
  /** Width and height of the pictures of training, pixels. */
  image: number;
  /** Pixels that the texture reaches beyond them on each side. */
  pad: number;
  /** So many splats, the last ones, stand for the body where the texture is not drawn. */
  splats: number;
  camera: Camera;
  /** Names of the two joints whose turns the networks see. */
  poseJoints: readonly string[];
  /** Octaves of the positional encodings. */
  frequencies: { uv: number; pose: number; translation: number; landmarks: number };
  anchors: SkinnedPoints;
  /** [anchors, 2] their places in the texture, in picture coordinates 0..1. */
  targets: Float32Array;
  /** Displacement fields over the texture's area, x and y of each one after the other: what homographies leave is a sum of them. */
  fields: FeatureMap | null;
  /** Where the networks take a pixel to be: in the picture of training, or where the frame's homography leads. */
  networksSee: 'picture' | 'homography';
  landmarks: SkinnedPoints;
  /** R, G, B and alpha of the path through the networks. */
  coarse: FeatureMap;
  latents: FeatureMap;
  warp: readonly LinearLayer[];
  fine: readonly LinearLayer[];
  /** The baked texture of the path without networks, as an image file. */
  texture: Uint8Array<ArrayBuffer>;
}

const format = 'vitrail-body 1';
const layers = 5;
const maxMapSize = 8192;
/** The runtime adds so many displacement fields. */
export const mostFields = 4;

/** The body in an archive, or null where it has none. Throws `model-corrupt` and `model-unsupported`. */
export async function readAvatarBody(entries: readonly ZipEntry[]): Promise<AvatarBody | null> {
  const file = findEntry(entries, 'body.safetensors');
  if (!file) return null;
  const texture = findEntry(entries, 'body.webp') ?? findEntry(entries, 'body.png');
  if (!texture) throw corrupt('the archive has no body.webp');
  const bytes = await file.bytes();
  const parsed = parseSafetensorsHeader(bytes, bytes.length);
  if (!('header' in parsed)) throw corrupt('body.safetensors ends inside its header');
  return bodyOf(new Tensors(parsed.header, bytes), await texture.bytes());
}

function bodyOf(tensors: Tensors, texture: Uint8Array<ArrayBuffer>): AvatarBody {
  if (tensors.text('format') !== format) {
    throw unsupportedSplats(
      'avatar-body',
      `A body of the form '${tensors.text('format')}'`,
      `Export the avatar with this version's train/person/export.py, which writes '${format}'.`,
    );
  }
  const [image, pad] = [Number(tensors.text('image')), Number(tensors.text('pad'))];
  const coarse = tensors.map('coarse');
  if (coarse.channels !== 4 || !(image > 0 && pad >= 0) || coarse.size !== image + 2 * pad) {
    throw corrupt('its texture has another size than its pictures');
  }
  const anchors = tensors.points('anchors');
  return {
    image,
    pad,
    splats: tensors.count('bodySplats'),
    camera: cameraOf(tensors.json('camera')),
    poseJoints: namesOf(tensors.json('pose')),
    frequencies: frequenciesOf(tensors.json('frequencies')),
    anchors,
    targets: tensors.values('anchors.targets', [anchors.count, 2]),
    fields: fieldsOf(tensors),
    networksSee: tensors.textOr('networks', 'picture') === 'homography' ? 'homography' : 'picture',
    landmarks: tensors.points('landmarks'),
    coarse,
    latents: tensors.map('latents'),
    warp: tensors.network('warp', 2),
    fine: tensors.network('fine', 3),
    texture,
  };
}

function fieldsOf(tensors: Tensors): FeatureMap | null {
  if (!tensors.has('fields')) return null;
  const fields = tensors.map('fields');
  if (fields.channels % 2 === 0 && fields.channels <= 2 * mostFields) return fields;
  throw corrupt(`its displacement fields have ${fields.channels} channels`);
}

/** Tensors and texts of one safetensors file. */
class Tensors {
  readonly #header: ModelHeader;
  readonly #view: DataView;

  constructor(header: ModelHeader, file: Uint8Array) {
    this.#header = header;
    this.#view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  }

  text(key: string): string {
    const value = this.#header.metadata.get(key);
    if (typeof value !== 'string') throw corrupt(`body.safetensors does not say its ${key}`);
    return value;
  }

  textOr(key: string, otherwise: string): string {
    return this.#header.metadata.has(key) ? this.text(key) : otherwise;
  }

  has(name: string): boolean {
    return this.#header.tensors.has(name);
  }

  /** A whole number; 0 where it is not there. */
  count(key: string): number {
    const value = Number(this.textOr(key, '0'));
    if (Number.isInteger(value) && value >= 0) return value;
    throw corrupt(`its ${key} is no number`);
  }

  json(key: string): unknown {
    try {
      return JSON.parse(this.text(key));
    } catch {
      throw corrupt(`its ${key} is no JSON`);
    }
  }

  /** The values of a tensor; `shape` has −1 where any size will do. */
  values(name: string, shape: readonly number[]): Float32Array {
    const tensor = this.#tensor(name);
    const fits =
      tensor.shape.length === shape.length &&
      shape.every((size, i) => size < 0 || size === tensor.shape[i]);
    if (!fits) throw corrupt(`'${name}' has the shape ${tensor.shape.join('×')}`);
    const count = tensor.shape.reduce((product, size) => product * size, 1);
    const view = this.#view;
    const { offset } = tensor;
    const read =
      tensor.format === 'f32'
        ? (i: number): number => view.getFloat32(offset + i * 4, true)
        : (i: number): number => halfToNumber(view.getUint16(offset + i * 2, true));
    return Float32Array.from({ length: count }, (_, i) => read(i));
  }

  map(name: string): FeatureMap {
    const [channels = 0, size = 0] = this.#tensor(name).shape;
    if (channels < 1 || channels > 64 || size < 1 || size > maxMapSize) {
      throw corrupt(`'${name}' is no square map`);
    }
    return { channels, size, values: this.values(name, [channels, size, size]) };
  }

  points(name: string): SkinnedPoints {
    const positions = this.values(`${name}.positions`, [-1, 3]);
    const count = positions.length / 3;
    return {
      count,
      positions,
      joints: Uint16Array.from(this.values(`${name}.joints`, [count, 4])),
      weights: this.values(`${name}.weights`, [count, 4]),
    };
  }

  network(name: string, outputs: number): LinearLayer[] {
    let inputs = -1;
    return Array.from({ length: layers }, (_, i) => {
      const [rows = 0, columns = 0] = this.#tensor(`${name}.${i}.weight`).shape;
      const expected = [i === layers - 1 ? outputs : rows, inputs < 0 ? columns : inputs];
      inputs = rows;
      return {
        inputs: columns,
        outputs: rows,
        weight: this.values(`${name}.${i}.weight`, expected),
        bias: this.values(`${name}.${i}.bias`, [rows]),
      };
    });
  }

  #tensor(name: string): TensorInfo {
    const tensor = this.#header.tensors.get(name);
    if (!tensor) throw corrupt(`body.safetensors has no '${name}'`);
    if (tensor.format !== 'f32' && tensor.format !== 'f16') {
      throw corrupt(`'${name}' is stored as ${tensor.format}`);
    }
    return tensor;
  }
}

function cameraOf(value: unknown): Camera {
  const { position, target, up, fovY } = recordOf(value);
  if (!isPoint(position) || !isPoint(target) || !(Number(fovY) > 0 && Number(fovY) < 180)) {
    throw corrupt('its camera is not valid');
  }
  return { position, target, ...(isPoint(up) ? { up } : {}), fovY: Number(fovY) };
}

function frequenciesOf(value: unknown): AvatarBody['frequencies'] {
  const given = recordOf(value);
  const octaves = (key: string): number => {
    const count = given[key];
    if (Number.isInteger(count) && Number(count) >= 0 && Number(count) <= 16) return Number(count);
    throw corrupt(`its frequencies of ${key} are not valid`);
  };
  return {
    uv: octaves('uv'),
    pose: octaves('pose'),
    translation: octaves('translation'),
    landmarks: octaves('landmarks'),
  };
}

function namesOf(value: unknown): string[] {
  if (Array.isArray(value) && value.every((name) => typeof name === 'string')) return value;
  throw corrupt('its pose names no joints');
}

function recordOf(value: unknown): Record<string, unknown> {
  if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  throw corrupt('a text of its metadata is no JSON object');
}

function isPoint(value: unknown): value is [number, number, number] {
  return Array.isArray(value) && value.length === 3 && value.every(Number.isFinite);
}

function corrupt(reason: string): Error {
  return corruptSplats('avatar-body', reason);
}
