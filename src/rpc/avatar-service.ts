import { transfer } from 'comlink';
import type { SceneMember, ServedAvatar, ServedScene } from '../runtime/avatar-contract.ts';
import type { LoadProgress } from '../types.ts';
import { serveCallChannel } from './call-channel.ts';
import type { AvatarService, LoadedAvatar, ServedEngine } from './contract.ts';

export interface AvatarServiceParts {
  engine(): ServedEngine;
  /** Fires when the runtime is disposed. */
  closing: AbortSignal;
  disposedError(): Error;
}

/** Answers the calls of a page about avatars. */
export function createAvatarService(parts: AvatarServiceParts): AvatarService {
  const avatars = new Map<number, ServedAvatar>();
  let lastId = 0;
  const opened = (id: number): ServedAvatar => {
    const avatar = avatars.get(id);
    if (avatar) return avatar;
    throw parts.disposedError();
  };
  /** Whoever is disposed later leaves it. */
  const scene = (members: readonly SceneMember[]): ServedScene => {
    for (const { avatar } of members) opened(avatar);
    return parts.engine().openScene(members, (id) => avatars.get(id));
  };
  return {
    loadAvatar: (source, settings, channel) =>
      serveCallChannel<LoadProgress, LoadedAvatar>(channel, async ({ signal, emit }) => {
        const avatar = await parts.engine().loadAvatar(source, {
          ...settings,
          signal: AbortSignal.any([signal, parts.closing]),
          onProgress: emit,
        });
        lastId += 1;
        avatars.set(lastId, avatar);
        return { id: lastId, info: avatar.info };
      }),
    commandAvatar: (id, command) => opened(id).command(command),
    async renderScene(members, options) {
      const picture = await scene(members).render(options);
      return transfer(picture, [picture.data.buffer]);
    },
    measureScene: (members, options) => scene(members).measure(options),
    attachScene: (members, canvas, options, port) => scene(members).attach(canvas, options, port),
    disposeAvatar(id) {
      const avatar = avatars.get(id);
      avatars.delete(id);
      if (avatar) parts.engine().disposeAvatar(avatar);
    },
  };
}
