import { type Dispatch, type Gpu, noWorkgroups } from './gpu.ts';
import { type BoundBuffers, chooseVariant, type Kernel, prepareDispatch } from './kernel.ts';

/**
 * A dispatch for each of these sizes of passes, the smallest first, that has a variant of its own: of these, one runs. A size is what its
 * passes have at least, in tokens.
 */
export function bySizeOfPass<Use extends { leastTokens?: number }>(
  gpu: Gpu,
  kernel: Kernel<Use>,
  use: Use,
  sizes: readonly number[],
  buffers: BoundBuffers,
): Promise<Dispatch>[] {
  const uses = sizes.map((leastTokens) => ({ ...use, leastTokens }));
  const variants = uses.map((sized) => chooseVariant(kernel, sized, gpu.capabilities));
  const others = uses.filter((_, i) => variants[i] !== variants[i - 1]);
  return others.map((sized, i) =>
    forPasses(
      prepareDispatch(gpu, kernel, sized, buffers),
      sized.leastTokens,
      others[i + 1]?.leastTokens ?? Number.POSITIVE_INFINITY,
    ),
  );
}

/** For passes of at least `from` and fewer than `to` tokens. */
async function forPasses(prepared: Promise<Dispatch>, from: number, to: number): Promise<Dispatch> {
  const dispatch = await prepared;
  return {
    ...dispatch,
    workgroups: (tokens) =>
      tokens >= from && tokens < to ? dispatch.workgroups(tokens) : noWorkgroups,
  };
}
