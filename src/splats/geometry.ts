import type { Rig } from '../formats/rig.ts';
import type { SplatCloud } from '../formats/splat-cloud.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { axisEnds } from './axis-ends.ts';
import type { Bounds } from './camera.ts';
import { packRig, packSphericalHarmonics, packSplats } from './pack.ts';
import { Pose } from './pose.ts';
import type { Vec3 } from './vector.ts';

/** A rigged splat may leave the bounds of its rest by this share of the radius. */
const motionMargin = 0.3;

/** The share of a scan's splats at each end of each axis that a picture need not frame. */
const outermost = 0.02;

/** A cloud on the GPU, with what animates it. Several objects of a scene may share one. */
export class SplatGeometry {
  readonly count: number;
  readonly shDegree: SplatCloud['shDegree'];
  readonly rig: Rig | null;
  /** Joints that move splats; null without a rig. */
  readonly joints: number | null;
  /** What holds all splats, whatever the pose. */
  readonly bounds: Bounds;
  /** What a picture should frame: the bounds without the farthest splats. */
  readonly framed: Bounds;
  readonly buffers: Readonly<Record<string, GPUBuffer>>;
  readonly #gpu: Gpu;

  /** Throws `gpu-limit-exceeded` and `gpu-out-of-memory`. */
  static upload(gpu: Gpu, cloud: SplatCloud, rig: Rig | null): Promise<SplatGeometry> {
    return gpu.withMemoryCheck(() => new SplatGeometry(gpu, cloud, rig));
  }

  private constructor(gpu: Gpu, cloud: SplatCloud, rig: Rig | null) {
    this.#gpu = gpu;
    this.count = cloud.count;
    this.shDegree = cloud.shDegree;
    this.rig = rig;
    const pose = rig ? new Pose(rig) : null;
    this.joints = pose ? pose.liveJoints.length : null;
    const { center, radius } = boundsOf(cloud, 0);
    this.bounds = { center, radius: radius * (rig ? 1 + motionMargin : 1) };
    this.framed = rig ? { center, radius } : boundsOf(cloud, outermost);
    this.buffers = uploadBuffers(gpu, {
      splats: packSplats(cloud),
      ...(cloud.shDegree > 0 ? { sh: packSphericalHarmonics(cloud) } : {}),
      ...(rig && pose ? { ...packRig(rig, pose, cloud.count) } : {}),
    });
  }

  dispose(): void {
    for (const buffer of Object.values(this.buffers)) this.#gpu.destroyBuffer(buffer);
  }
}

/** A storage buffer for each; all or none. */
export function uploadBuffers(
  gpu: Gpu,
  contents: Record<string, Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>>,
): Record<string, GPUBuffer> {
  const made: GPUBuffer[] = [];
  try {
    return Object.fromEntries(
      Object.entries(contents).map(([name, data]) => {
        const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST;
        const buffer = gpu.createBuffer(`splats ${name}`, data.byteLength, usage);
        made.push(buffer);
        gpu.write(buffer, 0, data);
        return [name, buffer];
      }),
    );
  } catch (thrown) {
    for (const buffer of made) gpu.destroyBuffer(buffer);
    throw thrown;
  }
}

/** The box of the splats without this share of the outermost at each end of each axis, as a sphere. */
function boundsOf({ positions }: SplatCloud, outside: number): Bounds {
  const ends = [0, 1, 2].map((axis) => axisEnds(positions, axis, outside));
  const center = ends.map(([low, high]) => (low + high) / 2) as unknown as Vec3;
  const half = ends.map(([low, high]) => (high - low) / 2);
  return { center, radius: Math.max(1e-3, Math.hypot(...half)) };
}
