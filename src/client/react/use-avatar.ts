import type { Source } from '../../types.ts';
import type { Avatar } from '../api.ts';
import { type UseLoadedOptions, type UseLoadedResult, useLoaded } from './use-loaded.ts';

export type UseAvatarOptions = UseLoadedOptions;

export interface UseAvatarResult extends Omit<UseLoadedResult<Avatar>, 'value'> {
  avatar: Avatar | null;
}

/** Loads an avatar or splats, and frees them when the component goes or the source changes. Attach it to a canvas in an effect. */
export function useAvatar(
  source: Source | null | undefined,
  options: UseAvatarOptions = {},
): UseAvatarResult {
  // There is no embedded avatar: no source means nothing to load.
  const { value, ...state } = useLoaded(source ?? null, options, (runtime, from, context) =>
    runtime.loadAvatar(from as Source, context),
  );
  return { ...state, avatar: value };
}
