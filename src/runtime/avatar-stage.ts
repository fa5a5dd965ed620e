import { invalidArgument } from '../errors.ts';
import { deviceLostError, type Gpu } from '../gpu/gpu.ts';
import { type Bounds, enclosingBounds, framingCamera } from '../splats/camera.ts';
import type { SceneObject } from '../splats/renderer.ts';
import { type Affine, composeAffine, type Quaternion, transformPoint } from '../splats/vector.ts';
import type { Camera, RasterMethod } from '../types.ts';
import type { EngineAvatar } from './avatar.ts';
import type { FindAvatar, SceneMember } from './avatar-contract.ts';

/** An avatar in a picture. */
interface Actor {
  id: number;
  avatar: EngineAvatar;
  object: SceneObject & { transform: Affine };
  scale: number;
}

/** The avatars of a scene that are there, at their places, for one renderer. */
export class AvatarStage {
  readonly objects: readonly SceneObject[];
  readonly #actors: readonly Actor[];
  readonly #find: FindAvatar<EngineAvatar>;

  /** Throws `invalid-argument` for a place that is none. */
  constructor(members: readonly SceneMember[], find: FindAvatar<EngineAvatar>) {
    this.#find = find;
    this.#actors = members.flatMap((member) => {
      const avatar = find(member.avatar);
      if (!avatar) return [];
      const { scale = 1 } = member;
      return [
        {
          id: member.avatar,
          avatar,
          scale,
          object: { ...avatar.object(), transform: transformOf(member) },
        },
      ];
    });
    this.objects = this.#actors.map(({ object }) => object);
  }

  get isEmpty(): boolean {
    return this.#actors.length === 0;
  }

  /** No avatar was disposed or moved to another device since. */
  get isCurrent(): boolean {
    return this.#actors.every(
      ({ id, avatar, object }) => this.#find(id) === avatar && avatar.geometry === object.geometry,
    );
  }

  /** Where the same avatars stand in `next`, these stand from now on; false: they are others. */
  follow(next: AvatarStage): boolean {
    const others = next.#actors;
    const same =
      others.length === this.#actors.length &&
      others.every(({ id }, i) => id === this.#actors[i]?.id) &&
      this.isCurrent;
    if (!same) return false;
    this.#actors.forEach((actor, i) => {
      const { object, scale } = others[i] as Actor;
      actor.object.transform.set(object.transform);
      actor.scale = scale;
    });
    return true;
  }

  /** The device of all; null where there is none, or while it is being replaced. */
  get gpu(): Gpu | null {
    const gpu = this.#actors[0]?.avatar.gpu ?? null;
    const shared = this.#actors.every(({ avatar }) => avatar.gpu === gpu);
    return shared && !gpu?.isLost ? gpu : null;
  }

  /** As `gpu`. Throws `gpu-device-lost`. */
  requireGpu(): Gpu {
    const { gpu } = this;
    if (gpu) return gpu;
    throw deviceLostError();
  }

  get splats(): number {
    return this.objects.reduce((sum, { geometry }) => sum + geometry.count, 0);
  }

  /** Does it change by itself? */
  get moves(): boolean {
    return this.#actors.some(({ avatar }) => avatar.moves);
  }

  /** Another one after each command. */
  get version(): number {
    return this.#actors.reduce((sum, { avatar }) => sum + avatar.version, 0);
  }

  /** Brings the poses to a time in seconds. */
  update(seconds: number): void {
    for (const { avatar } of this.#actors) avatar.update(seconds);
  }

  /** The camera that frames all from the front. */
  camera(aspect: number): Camera {
    const spheres = this.#actors.map(({ object: { geometry, transform }, scale }): Bounds => {
      const { center, radius } = geometry.framed;
      return { center: transformPoint(transform, center), radius: radius * scale };
    });
    const down = !this.isEmpty && this.#actors.every(({ avatar }) => avatar.isScan);
    return framingCamera(enclosingBounds(spheres), down, aspect);
  }

  /** The way of drawing that is faster for the largest avatar. */
  async fasterMethod(size: { width: number; height: number }): Promise<RasterMethod> {
    const [first, ...rest] = this.#actors.map(({ avatar }) => avatar);
    const largest = rest.reduce(
      (most, avatar) => (avatar.info.splats > (most?.info.splats ?? 0) ? avatar : most),
      first,
    );
    return largest?.fasterMethod(size) ?? 'quads';
  }
}

function transformOf({
  position = [0, 0, 0],
  rotation = [0, 0, 0, 1],
  scale = 1,
}: SceneMember): Affine {
  const length = Math.hypot(...rotation);
  const valid =
    position.length === 3 &&
    position.every(Number.isFinite) &&
    rotation.length === 4 &&
    Math.abs(length - 1) < 0.01 &&
    scale > 0 &&
    scale < Number.POSITIVE_INFINITY;
  if (!valid) {
    throw invalidArgument(
      'avatar/scene',
      'An avatar cannot stand there.',
      'Give a position of three finite numbers, a rotation [x, y, z, w] of length 1, and a scale above 0.',
    );
  }
  const turn = rotation.map((part) => part / length) as unknown as Quaternion;
  const transform = new Float64Array(12);
  composeAffine(transform, position, turn, [scale, scale, scale]);
  return transform;
}
