import type { BufferRange, Gpu } from '../gpu/gpu.ts';
import { bodyFrameFloats } from '../kernels/body-under.ts';
import { hiddenKey, projectFrameWords } from '../kernels/splat-project.ts';
import { nearPlane, type ViewTransform } from './camera.ts';
import { poseFloats } from './pack.ts';
import type { SceneObject } from './renderer.ts';
import { type Affine, multiplyAffine } from './vector.ts';

/** Where the counts of `struct Frame` begin (splat-project), behind what each frame writes anew. */
const countWord = 20;

/** An object's data in the buffer, in floats, and how it is seen. */
interface FrameSlot {
  frame: number;
  pose: number;
  poseFloats: number;
  body: number;
  networks: number;
  seen: ModelView;
}

/** A uniform of the buffer, and what the next write brings to it. */
export interface UniformRoom {
  range: BufferRange;
  values: Float32Array;
}

/** A view as it is from an object's own space, written anew each frame. */
interface ModelView extends ViewTransform {
  view: Affine;
  position: [number, number, number];
}

/** What changes from frame to frame, in one buffer: size, then each object's frame, pose and body. A frame allocates nothing. */
export class FrameData {
  readonly size: GPUBuffer;
  readonly #gpu: Gpu;
  readonly #buffer: GPUBuffer;
  readonly #values: Float32Array<ArrayBuffer>;
  /** The same words. */
  readonly #counts: Uint32Array<ArrayBuffer>;
  readonly #slots: readonly FrameSlot[];
  readonly #keySteps: number;

  constructor(gpu: Gpu, objects: readonly SceneObject[], keyBits: number) {
    this.#gpu = gpu;
    this.#keySteps = hiddenKey(keyBits) - 1;
    const alignment =
      Math.max(
        gpu.device.limits.minUniformBufferOffsetAlignment,
        gpu.device.limits.minStorageBufferOffsetAlignment,
      ) / 4;
    let floats = 0;
    const place = (needed: number): number => {
      const at = floats;
      floats += Math.ceil(needed / alignment) * alignment;
      return at;
    };
    // The first slot holds the size of the picture.
    place(2);
    this.#slots = objects.map(({ pose, body }) => {
      const needed = pose ? poseFloats(pose) : 0;
      return {
        frame: place(projectFrameWords),
        pose: place(needed),
        poseFloats: needed,
        body: place(body ? bodyFrameFloats : 0),
        networks: place(body?.networkFloats ?? 0),
        seen: { view: new Float64Array(12), position: [0, 0, 0], focal: 0, width: 0, height: 0 },
      };
    });
    this.#values = new Float32Array(floats);
    this.#counts = new Uint32Array(this.#values.buffer);
    let first = 0;
    for (const [i, { geometry }] of objects.entries()) {
      this.#counts.set(
        [geometry.count, first, hiddenKey(keyBits)],
        this.#slot(i).frame + countWord,
      );
      first += geometry.count;
    }
    this.#buffer = gpu.createBuffer(
      'splats frame',
      floats * 4,
      GPUBufferUsage.UNIFORM | GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST,
    );
    this.size = this.#buffer;
  }

  frameRange(object: number): BufferRange {
    return this.#range(this.#slot(object).frame, projectFrameWords);
  }

  poseRange(object: number): BufferRange {
    const { pose, poseFloats } = this.#slot(object);
    return this.#range(pose, poseFloats);
  }

  bodyRoom(object: number): UniformRoom {
    return this.#room(this.#slot(object).body, bodyFrameFloats);
  }

  networksRoom(object: number, floats: number): UniformRoom {
    return this.#room(this.#slot(object).networks, floats);
  }

  /** How many of an object's splats are drawn from now on: the first ones. */
  setDrawn(object: number, count: number): void {
    this.#counts[this.#slot(object).frame + countWord] = count;
  }

  #range(at: number, floats: number): BufferRange {
    return { buffer: this.#buffer, offset: at * 4, size: floats * 4 };
  }

  #room(at: number, floats: number): UniformRoom {
    return { range: this.#range(at, floats), values: this.#values.subarray(at, at + floats) };
  }

  #slot(object: number): FrameSlot {
    return this.#slots[object] as FrameSlot;
  }

  /** An object's own view of the frame. */
  seen(object: number): ViewTransform {
    return this.#slot(object).seen;
  }

  /** Brings all but the bodies to a frame. */
  update(objects: readonly SceneObject[], view: ViewTransform): void {
    const values = this.#values;
    values[0] = view.width;
    values[1] = view.height;
    let least = Number.POSITIVE_INFINITY;
    let most = 0;
    for (let i = 0; i < objects.length; i += 1) {
      const { geometry, transform } = objects[i] as SceneObject;
      const { seen } = this.#slot(i);
      see(seen, view, transform ?? identity);
      const { center, radius } = geometry.bounds;
      const m = seen.view;
      const depth =
        (m[8] as number) * center[0] +
        (m[9] as number) * center[1] +
        (m[10] as number) * center[2] +
        (m[11] as number);
      const reach = radius * Math.sqrt(squaredScale(m));
      least = Math.min(least, depth - reach);
      most = Math.max(most, depth + reach);
    }
    least = Math.max(nearPlane, least);
    most = Math.max(nearPlane * 2, most);
    const stepsPerUnit = this.#keySteps / Math.max(1e-6, most - least);
    for (let i = 0; i < objects.length; i += 1) {
      this.#fill(this.#slot(i), (objects[i] as SceneObject).pose, least, stepsPerUnit);
    }
  }

  #fill(slot: FrameSlot, pose: SceneObject['pose'], least: number, stepsPerUnit: number): void {
    const values = this.#values;
    const { frame, seen } = slot;
    values.set(seen.view, frame);
    values.set(seen.position, frame + 12);
    values[frame + 15] = seen.focal;
    values[frame + 16] = seen.width;
    values[frame + 17] = seen.height;
    values[frame + 18] = least;
    values[frame + 19] = stepsPerUnit;
    if (!pose) return;
    values.set(pose.skinMatrices, slot.pose);
    values.set(pose.weights, slot.pose + pose.skinMatrices.length);
  }

  /** To the GPU, all at once. */
  write(): void {
    this.#gpu.write(this.#buffer, 0, this.#values);
  }

  dispose(): void {
    this.#gpu.destroyBuffer(this.#buffer);
  }
}

const identity: Affine = Float64Array.of(1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0);

/** An object's own view: the camera stands at −Mᵀt / s² of a turn with one scale s. */
function see(seen: ModelView, view: ViewTransform, transform: Affine): void {
  const m = seen.view;
  multiplyAffine(m, view.view, transform);
  const squared = squaredScale(m);
  for (let column = 0; column < 3; column += 1) {
    const along =
      (m[column] as number) * (m[3] as number) +
      (m[4 + column] as number) * (m[7] as number) +
      (m[8 + column] as number) * (m[11] as number);
    seen.position[column] = -along / squared;
  }
  seen.focal = view.focal;
  seen.width = view.width;
  seen.height = view.height;
}

function squaredScale(m: Affine): number {
  return (m[0] as number) ** 2 + (m[4] as number) ** 2 + (m[8] as number) ** 2;
}
