import type { WorkerConnection } from '../rpc/connection.ts';
import type { SceneMember } from '../runtime/avatar-contract.ts';
import type { Camera } from '../types.ts';
import type { PlacedAvatar, Scene } from './api.ts';
import type { WorkerAvatar } from './avatar.ts';
import { Drawable } from './drawable.ts';

/** Avatars that the worker draws together. */
export class WorkerScene extends Drawable implements Scene {
  #avatars: readonly PlacedAvatar[];

  constructor(connection: WorkerConnection, avatars: readonly PlacedAvatar[]) {
    super(connection);
    this.#avatars = avatars;
  }

  set(avatars: readonly PlacedAvatar[]): void {
    this.#avatars = avatars;
    this.tellMembers();
  }

  /** Who is disposed has left. */
  protected members(): SceneMember[] {
    return this.#avatars.flatMap(({ avatar, ...place }) => {
      const { id, isDisposed } = avatar as WorkerAvatar;
      return isDisposed ? [] : [{ ...place, avatar: id }];
    });
  }

  protected framing(): Camera {
    return (
      this.#avatars[0]?.avatar.info.camera ?? { position: [0, 0, 1], target: [0, 0, 0], fovY: 30 }
    );
  }
}
