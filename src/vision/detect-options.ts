import { invalidArgument } from '../errors.ts';
import type { DetectOptions, FrameWay } from '../types.ts';

const defaults = { threshold: 0.25, overlap: 0.45 };

/** With defaults. Throws `invalid-argument`. */
export function checkedOptions(options: DetectOptions): Required<DetectOptions> {
  const checked = { ...defaults, ...options };
  for (const [name, value] of Object.entries(checked)) {
    if (typeof value === 'number' && value >= 0 && value <= 1) continue;
    const fix = 'Leave it out, or pass a number from 0 to 1.';
    throw invalidArgument('vision/options', `The option '${name}' is ${value}.`, fix);
  }
  return checked;
}

/** Throws `invalid-argument`. */
export function checkedWay(way: FrameWay | undefined): FrameWay | undefined {
  if (way === undefined || way === 'import' || way === 'copy') return way;
  const fix = "Leave it out, or pass 'import' or 'copy'.";
  throw invalidArgument('vision/options', `The option 'way' is ${way}.`, fix);
}
