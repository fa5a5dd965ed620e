import type { Gpu } from '../gpu/gpu.ts';
import { hiddenKey, projectFrameBytes } from '../kernels/splat-project.ts';
import { nearPlane, type ViewTransform } from './camera.ts';
import { poseFloats } from './pack.ts';
import type { SceneObject } from './renderer.ts';
import { type Affine, multiplyAffine, transformPoint } from './vector.ts';

/** Where an object's data begin, in floats. */
interface FrameSlot {
  frame: number;
  pose: number;
  poseFloats: number;
}

/** What changes from frame to frame, in one buffer: size, then each object's frame and pose. */
export class FrameData {
  readonly size: GPUBuffer;
  readonly #gpu: Gpu;
  readonly #buffer: GPUBuffer;
  readonly #values: Float32Array<ArrayBuffer>;
  readonly #slots: readonly FrameSlot[];
  readonly #keySteps: number;
  readonly #modelView: Affine = new Float64Array(12);

  constructor(gpu: Gpu, objects: readonly SceneObject[], keyBits: number) {
    this.#gpu = gpu;
    this.#keySteps = hiddenKey(keyBits) - 1;
    const alignment =
      Math.max(
        gpu.device.limits.minUniformBufferOffsetAlignment,
        gpu.device.limits.minStorageBufferOffsetAlignment,
      ) / 4;
    const aligned = (floats: number): number => Math.ceil(floats / alignment) * alignment;
    // The first slot holds the size of the picture.
    let floats = alignment;
    this.#slots = objects.map(({ pose }) => {
      const frame = floats;
      const needed = pose ? poseFloats(pose) : 0;
      floats += aligned(projectFrameBytes / 4);
      const slot = { frame, pose: floats, poseFloats: needed };
      floats += aligned(needed);
      return slot;
    });
    this.#values = new Float32Array(floats);
    this.#buffer = gpu.createBuffer(
      'splats frame',
      floats * 4,
      GPUBufferUsage.UNIFORM | GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST,
    );
    this.size = this.#buffer;
  }

  frameRange(object: number): { buffer: GPUBuffer; offset: number; size: number } {
    const { frame } = this.#slots[object] as FrameSlot;
    return { buffer: this.#buffer, offset: frame * 4, size: projectFrameBytes };
  }

  poseRange(object: number): { buffer: GPUBuffer; offset: number; size: number } {
    const { pose, poseFloats } = this.#slots[object] as FrameSlot;
    return { buffer: this.#buffer, offset: pose * 4, size: poseFloats * 4 };
  }

  write(objects: readonly SceneObject[], view: ViewTransform): void {
    const { least, most } = depthRange(objects, view);
    const stepsPerUnit = this.#keySteps / Math.max(1e-6, most - least);
    this.#values.set([view.width, view.height]);
    objects.forEach(({ pose, transform }, i) => {
      const slot = this.#slots[i] as FrameSlot;
      multiplyAffine(this.#modelView, view.view, transform ?? identity);
      this.#values.set(this.#modelView, slot.frame);
      this.#values.set(cameraInModel(this.#modelView), slot.frame + 12);
      this.#values[slot.frame + 15] = view.focal;
      this.#values.set([view.width, view.height, least, stepsPerUnit], slot.frame + 16);
      if (!pose) return;
      this.#values.set(pose.skinMatrices, slot.pose);
      this.#values.set(pose.weights, slot.pose + pose.skinMatrices.length);
    });
    this.#gpu.write(this.#buffer, 0, this.#values);
  }

  dispose(): void {
    this.#gpu.destroyBuffer(this.#buffer);
  }
}

const identity: Affine = Float64Array.of(1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0);

/** A view as it is from an object's own space. */
export function viewOfModel(view: ViewTransform, transform: Affine): ViewTransform {
  const modelView = new Float64Array(12);
  multiplyAffine(modelView, view.view, transform);
  return { ...view, view: [...modelView], position: cameraInModel(modelView) };
}

/** Where the camera stands in an object's space: −Mᵀt / s² of a turn with one scale s. */
function cameraInModel(modelView: Affine): [number, number, number] {
  const squared = columnSquared(modelView);
  const along = (column: number): number =>
    -[0, 4, 8].reduce(
      (sum, row) => sum + (modelView[row + column] as number) * (modelView[row + 3] as number),
      0,
    ) / squared;
  return [along(0), along(1), along(2)];
}

function columnSquared(matrix: Affine): number {
  return [0, 4, 8].reduce((sum, row) => sum + (matrix[row] as number) ** 2, 0);
}

/** The depths that the objects' bounds span. */
function depthRange(
  objects: readonly SceneObject[],
  { view }: ViewTransform,
): { least: number; most: number } {
  let least = Number.POSITIVE_INFINITY;
  let most = 0;
  const matrix = new Float64Array(12);
  for (const { geometry, transform } of objects) {
    multiplyAffine(matrix, view, transform ?? identity);
    const { center, radius } = geometry.bounds;
    const [, , depth] = transformPoint(matrix, center);
    const reach = radius * Math.sqrt(columnSquared(matrix));
    least = Math.min(least, depth - reach);
    most = Math.max(most, depth + reach);
  }
  return { least: Math.max(nearPlane, least), most: Math.max(nearPlane * 2, most) };
}
