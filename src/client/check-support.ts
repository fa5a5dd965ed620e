import { checkSupport as checkAdapter } from '../gpu/adapter.ts';
import type { Support } from '../types.ts';

/** Can this browser run Vitrail, and how fast will it be? Never throws: what is missing stands in the answer. */
export function checkSupport(): Promise<Support> {
  return checkAdapter();
}
