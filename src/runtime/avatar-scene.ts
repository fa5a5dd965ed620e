import { invalidArgument } from '../errors.ts';
import { turnedCamera, type ViewTransform, viewTransform } from '../splats/camera.ts';
import { measureFrame } from '../splats/measure.ts';
import { type Picture, renderPicture } from '../splats/picture.ts';
import type { SceneObject } from '../splats/renderer.ts';
import type { FrameTiming, MeasureOptions, PictureOptions } from '../types.ts';
import type { EngineAvatar } from './avatar.ts';
import type { FindAvatar, SceneMember, ServedScene, ViewOptions } from './avatar-contract.ts';
import { AvatarStage } from './avatar-stage.ts';
import { AvatarView } from './avatar-view.ts';

const maxSide = 8192;

/** Avatars that are drawn together, in one sort by depth. */
export class EngineScene implements ServedScene {
  readonly #members: readonly SceneMember[];
  readonly #find: FindAvatar<EngineAvatar>;

  constructor(members: readonly SceneMember[], find: FindAvatar<EngineAvatar>) {
    this.#members = members;
    this.#find = find;
  }

  async render(options: PictureOptions): Promise<Picture> {
    const stage = this.#stage();
    const { width, height, camera = stage.camera(width / height), background = null } = options;
    checkSize(width, height);
    stage.update(performance.now() / 1000);
    const view = viewTransform(camera, width, height);
    const behind = background && ([...background, 1] as const);
    const method = options.method ?? (await stage.fasterMethod(options));
    const picture = await renderPicture(stage.requireGpu(), stage.objects, view, behind, method);
    // Somebody was disposed of meanwhile, and with that what was being drawn.
    return stage.isCurrent ? picture : this.render(options);
  }

  async measure(options: MeasureOptions): Promise<FrameTiming> {
    const stage = this.#stage();
    const {
      width,
      height,
      camera = stage.camera(width / height),
      frames = 30,
      copies = 1,
      turn = 0,
    } = options;
    checkSize(width, height);
    const viewAt = (frame: number): ViewTransform =>
      viewTransform(turn ? turnedCamera(camera, frame * turn) : camera, width, height);
    const objects = copies > 1 ? sideBySide(stage.objects, copies) : stage.objects;
    const splats = stage.splats * copies;
    const method = options.method ?? (await stage.fasterMethod(options));
    const measured = await measureFrame(stage.requireGpu(), objects, viewAt, method, frames, () =>
      stage.update(performance.now() / 1000),
    );
    return { splats, ...measured };
  }

  attach(canvas: OffscreenCanvas, options: ViewOptions, port: MessagePort): void {
    const view = new AvatarView({
      canvas,
      port,
      options,
      stage: (members = this.#members) => new AvatarStage(members, this.#find),
    });
    view.start();
  }

  /** Throws `invalid-argument` where nobody is there. */
  #stage(): AvatarStage {
    const stage = new AvatarStage(this.#members, this.#find);
    if (!stage.isEmpty) return stage;
    throw invalidArgument(
      'avatar/scene',
      'There is no avatar to draw.',
      'Load one and put it into the scene; a disposed one is gone.',
    );
  }
}

/** Copies in rows, as close as their bounds allow. */
function sideBySide(objects: readonly SceneObject[], copies: number): SceneObject[] {
  const columns = Math.ceil(Math.sqrt(copies));
  const step = Math.max(...objects.map(({ geometry }) => geometry.framed.radius)) * 1.2;
  return Array.from({ length: copies }, (_, i) => {
    const right = ((i % columns) - (columns - 1) / 2) * step;
    const back = Math.floor(i / columns) * step;
    return objects.map((object) => {
      const transform = Float64Array.from(object.transform ?? [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0]);
      transform[3] = (transform[3] as number) + right;
      transform[11] = (transform[11] as number) - back;
      return { ...object, transform };
    });
  }).flat();
}

function checkSize(width: number, height: number): void {
  const valid = [width, height].every(
    (side) => Number.isInteger(side) && side > 0 && side <= maxSide,
  );
  if (valid) return;
  throw invalidArgument(
    'avatar/size',
    `A picture cannot be ${width} × ${height} pixels.`,
    `Pass whole numbers from 1 to ${maxSide}.`,
  );
}
