import { useEffect, useMemo } from 'react';
import type { LoadAvatarOptions, Source } from '../../types.ts';
import type { Avatar } from '../api.ts';
import type { ChatState } from '../chat.ts';
import { ChatFollower } from '../follow-chat.ts';
import { type UseLoadedOptions, type UseLoadedResult, useLoaded } from './use-loaded.ts';

export interface UseAvatarOptions extends UseLoadedOptions, Pick<LoadAvatarOptions, 'body'> {
  /** What `useChat` gives: the avatar thinks until an answer begins and says it as it comes. */
  chat?: ChatState | null;
  /** True while someone types: the avatar listens. */
  listening?: boolean;
}

export interface UseAvatarResult extends Omit<UseLoadedResult<Avatar>, 'value'> {
  avatar: Avatar | null;
}

/**
 * Loads an avatar or splats, and frees them when the component goes or the source changes. A source that is left out means the
 * embedded avatar; null waits. Attach it to a canvas in an effect.
 */
export function useAvatar(source?: Source | null, options: UseAvatarOptions = {}): UseAvatarResult {
  const { body, chat, listening = false } = options;
  const { value, ...state } = useLoaded(source, options, (runtime, from, context) =>
    runtime.loadAvatar(from, body ? { ...context, body } : context),
  );
  const follows = Boolean(chat);
  const follower = useMemo(
    () => (value && follows ? new ChatFollower(value) : null),
    [value, follows],
  );
  useEffect(() => () => follower?.stop(), [follower]);
  useEffect(() => {
    if (chat) follower?.show(chat);
  }, [follower, chat]);
  useEffect(() => follower?.listen(listening), [follower, listening]);
  return { ...state, avatar: value };
}
