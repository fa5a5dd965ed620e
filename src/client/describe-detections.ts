import type { DetectedBox } from '../types.ts';

/** `2 vehicles`, for people who listen. Empty: nothing was found. */
export function describeDetections(boxes: readonly Pick<DetectedBox, 'label'>[]): string {
  const counts = new Map<string, number>();
  for (const { label } of boxes) counts.set(label, (counts.get(label) ?? 0) + 1);
  return [...counts]
    .map(([label, count]) => `${count} ${label}${count === 1 ? '' : 's'}`)
    .join(', ');
}
