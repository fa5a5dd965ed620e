import type { Source } from '../../types.ts';
import type { Detector } from '../api.ts';
import { type UseLoadedOptions, type UseLoadedResult, useLoaded } from './use-loaded.ts';

export type UseDetectorOptions = UseLoadedOptions;

export interface UseDetectorResult extends Omit<UseLoadedResult<Detector>, 'value'> {
  detector: Detector | null;
}

/**
 * Loads a detector, and frees it when the component goes or the source changes. A source that is left out means the embedded
 * A-YOLOM; null waits. Attach it to a video and a canvas in an effect.
 */
export function useDetector(
  source?: Source | null,
  options: UseDetectorOptions = {},
): UseDetectorResult {
  const { value, ...state } = useLoaded(source, options, (runtime, from, { signal }) =>
    runtime.loadDetector(from, { signal }),
  );
  return { ...state, detector: value };
}
