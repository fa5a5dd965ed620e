import type { VitrailError } from '../errors.ts';
import type {
  AvatarInfo,
  AvatarState,
  Camera,
  Color,
  ExpressionTrack,
  FrameTiming,
  MeasureOptions,
  PictureOptions,
  Placement,
  RasterMethod,
  ViewStats,
} from '../types.ts';

/** What changes the pose of an avatar. */
export type AvatarCommand =
  | { type: 'expression'; weights: Record<string, number> }
  | { type: 'joint'; name: string; rotation: [number, number, number, number] }
  | { type: 'play'; what: string | ExpressionTrack | null; loop: boolean }
  | { type: 'idle'; on: boolean }
  | { type: 'state'; state: AvatarState; still: boolean }
  | { type: 'speech'; step: 'say' | 'piece'; text: string }
  | { type: 'speech'; step: 'open' | 'end' | 'stop' };

export interface ViewOptions {
  width: number;
  height: number;
  camera: Camera | null;
  background: Color | null;
  method: RasterMethod | undefined;
}

/** An avatar, by its id, and where it stands. */
export type SceneMember = Placement & { avatar: number };

/** What the page tells a view; each member replaces what was. `stop` ends it. */
export type ViewCommand = Partial<ViewOptions> & { members?: SceneMember[]; stop?: true };

/** An error as a message can carry it: causes may be objects of the GPU, which cannot be cloned. */
export type ErrorRecord = Pick<VitrailError, 'code' | 'message' | 'where' | 'fix'>;

/** `framing` is the camera where none is set. */
export type ViewEvent = { stats: ViewStats } | { error: ErrorRecord } | { framing: Camera };

export interface AvatarPicture {
  width: number;
  height: number;
  data: Uint8ClampedArray<ArrayBuffer>;
}

/** An avatar as the worker serves it. */
export interface ServedAvatar {
  readonly info: AvatarInfo;
  command(command: AvatarCommand): void;
  dispose(): void;
}

/** Avatars in one picture. Those that are disposed leave it. */
export interface ServedScene {
  render(options: PictureOptions): Promise<AvatarPicture>;
  measure(options: MeasureOptions): Promise<FrameTiming>;
  /** Draws to the canvas until the port says stop. */
  attach(canvas: OffscreenCanvas, options: ViewOptions, port: MessagePort): void;
}

/** Undefined: it is disposed. */
export type FindAvatar<Found = ServedAvatar> = (id: number) => Found | undefined;
