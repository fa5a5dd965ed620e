import type { WorkerConnection } from '../rpc/connection.ts';
import type { LoadedAvatar } from '../rpc/contract.ts';
import type { AvatarCommand, SceneMember } from '../runtime/avatar-contract.ts';
import type { AvatarInfo, AvatarState, Camera, ExpressionTrack } from '../types.ts';
import type { Avatar } from './api.ts';
import { Drawable } from './drawable.ts';

/** An avatar that lives in the worker. */
export class WorkerAvatar extends Drawable implements Avatar {
  readonly info: AvatarInfo;
  /** In calls to the worker. */
  readonly id: number;
  isDisposed = false;
  /** The stream that is being spoken: a newer one, or `say`, ends it. */
  #speech: object | null = null;

  constructor(connection: WorkerConnection, { id, info }: LoadedAvatar) {
    super(connection);
    this.id = id;
    this.info = info;
  }

  setExpression(weights: Readonly<Record<string, number>>): Promise<void> {
    return this.#command({ type: 'expression', weights });
  }

  setJoint(name: string, rotation: readonly [number, number, number, number]): Promise<void> {
    return this.#command({ type: 'joint', name, rotation: [...rotation] });
  }

  play(
    what: string | ExpressionTrack | null,
    { loop = false }: { loop?: boolean } = {},
  ): Promise<void> {
    return this.#command({ type: 'play', what, loop });
  }

  setIdle(on: boolean): Promise<void> {
    return this.#command({ type: 'idle', on });
  }

  say(text: string | null): Promise<void> {
    this.#speech = null;
    if (text === null) return this.#command({ type: 'speech', step: 'stop' });
    return this.#command({ type: 'speech', step: 'say', text });
  }

  async speak(stream: AsyncIterable<string | { text: string }>): Promise<void> {
    const speech = {};
    this.#speech = speech;
    await this.#command({ type: 'speech', step: 'open' });
    try {
      for await (const piece of stream) {
        if (this.#speech !== speech) return;
        const text = typeof piece === 'string' ? piece : piece.text;
        await this.#command({ type: 'speech', step: 'piece', text });
      }
    } finally {
      if (this.#speech === speech) await this.#command({ type: 'speech', step: 'end' });
    }
  }

  setState(state: AvatarState): Promise<void> {
    const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
    return this.#command({ type: 'state', state, still });
  }

  #command(command: AvatarCommand): Promise<void> {
    return this.connection.call((service) => service.commandAvatar(this.id, command));
  }

  protected members(): SceneMember[] {
    return [{ avatar: this.id }];
  }

  protected framing(): Camera {
    return this.info.camera;
  }

  override async dispose(): Promise<void> {
    this.isDisposed = true;
    await super.dispose();
    if (!this.connection.isOpen) return;
    await this.connection.call((service) => service.disposeAvatar(this.id));
  }
}
