import type { Source } from '../../types.ts';
import type { Avatar } from '../api.ts';
import { type UseLoadedOptions, type UseLoadedResult, useLoaded } from './use-loaded.ts';

export type UseAvatarOptions = UseLoadedOptions;

export interface UseAvatarResult extends Omit<UseLoadedResult<Avatar>, 'value'> {
  avatar: Avatar | null;
}

/**
 * Loads an avatar or splats, and frees them when the component goes or the source changes. A source that is left out means the
 * embedded avatar; null waits. Attach it to a canvas in an effect.
 */
export function useAvatar(source?: Source | null, options: UseAvatarOptions = {}): UseAvatarResult {
  const { value, ...state } = useLoaded(source, options, (runtime, from, context) =>
    runtime.loadAvatar(from, context),
  );
  return { ...state, avatar: value };
}
