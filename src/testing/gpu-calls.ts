/** What the CPU calls while it records and submits a frame. */
const callers = [
  'GPUDevice',
  'GPUQueue',
  'GPUTexture',
  'GPUCommandEncoder',
  'GPUComputePassEncoder',
  'GPURenderPassEncoder',
] as const;

type Method = (this: unknown, ...parameters: unknown[]) => unknown;

/** Counts the calls of WebGPU that `act` makes, by method. */
export function countGpuCalls(act: () => void): Map<string, number> {
  const counts = new Map<string, number>();
  const restore: (() => void)[] = [];
  for (const caller of callers) {
    const prototype = globalThis[caller].prototype as object;
    for (const [name, property] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
      if (name === 'constructor' || typeof property.value !== 'function') continue;
      const original = property.value as Method;
      const counting: Method = function (...parameters) {
        counts.set(name, (counts.get(name) ?? 0) + 1);
        return original.apply(this, parameters);
      };
      Object.defineProperty(prototype, name, { ...property, value: counting });
      restore.push(() => Object.defineProperty(prototype, name, property));
    }
  }
  try {
    act();
  } finally {
    for (const undo of restore) undo();
  }
  return counts;
}
