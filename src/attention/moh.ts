import { VitrailError } from '../errors.ts';
import type { ModelHeader } from '../formats/header.ts';
import type { HeadGatesUse } from '../kernels/head-gates.ts';
import type { MohOption } from '../types.ts';

/**
 * Mixture-of-Head attention (arXiv 2410.11842): the first query heads are always on, and each token takes those of the others that its
 * router likes best. Keys of GGUF: docs/adr/0010-mixture-of-heads.md.
 */
export interface MohConfig {
  /**
   * `learned`: matrices of the file score the heads, and gates weigh them. `query-norm`: of the heads that are not shared those with the
   * longest queries are on, with a gate of 1.
   */
  router: 'learned' | 'query-norm';
  /** Query heads 0 to sharedHeads − 1 are on for every token. */
  sharedHeads: number;
  /** Query heads that are on for a token, the shared ones included. */
  activeHeads: number;
}

/** Shared and routed heads of so many, and how many of the routed ones are on for a token. */
export function routedShape(
  { sharedHeads, activeHeads }: MohConfig,
  heads: number,
): Pick<HeadGatesUse, 'sharedHeads' | 'routedHeads' | 'active'> {
  return { sharedHeads, routedHeads: heads - sharedHeads, active: activeHeads - sharedHeads };
}

/** The weights of a layer's learned router, in the order of the stacked matrix: stage [2], shared [sharedHeads], routed [the others]. */
export function mohRouterNames(layer: number): { name: string }[] {
  return ['stage', 'shared', 'routed'].map((part) => ({ name: `blk.${layer}.moh_${part}.weight` }));
}

/** The model's own configuration, or null where it has none. Throws `model-corrupt` and `model-unsupported`. */
export function mohConfig(
  { metadata }: Pick<ModelHeader, 'metadata'>,
  heads: number,
): MohConfig | null {
  const router = metadata.get('vitrail.moh.router');
  if (router === undefined) return null;
  if (router !== 'learned' && router !== 'query-norm') {
    throw new VitrailError(
      'model-unsupported',
      `The file has a Mixture-of-Head router of the kind '${String(router)}'.`,
      {
        where: 'attention/moh',
        fix: "Use a newer version of Vitrail, or a file whose vitrail.moh.router is 'query-norm'.",
        detail: { router: String(router) },
      },
    );
  }
  const sharedHeads = Number(metadata.get('vitrail.moh.shared_heads'));
  const activeHeads = Number(metadata.get('vitrail.moh.active_heads'));
  const isWhole = Number.isInteger(sharedHeads) && Number.isInteger(activeHeads);
  if (!isWhole || sharedHeads < 1 || activeHeads <= sharedHeads || activeHeads > heads) {
    throw new VitrailError(
      'model-corrupt',
      `Mixture-of-Head attention with ${sharedHeads} shared and ${activeHeads} active of ${heads} heads makes no sense.`,
      {
        where: 'attention/moh',
        fix: 'Download the file again; if that does not help, it was converted wrongly.',
        detail: { sharedHeads, activeHeads, heads },
      },
    );
  }
  return { router, sharedHeads, activeHeads };
}

/** The configuration with what the page asks for. Throws `invalid-argument`. */
export function chooseMoh(
  own: MohConfig | null,
  heads: number,
  option: MohOption | undefined,
): MohConfig | null {
  if (option === undefined) return own;
  if (own === null) {
    if (option === false) return null;
    throw invalidOption('The model has no Mixture-of-Head router.', 'Leave attention.moh out.');
  }
  const activeHeads = option === false ? heads : (option.activeHeads ?? own.activeHeads);
  if (Number.isInteger(activeHeads) && activeHeads > own.sharedHeads && activeHeads <= heads) {
    // Every gate would be 1.
    if (own.router === 'query-norm' && activeHeads === heads) return null;
    return { ...own, activeHeads };
  }
  throw invalidOption(
    `attention.moh.activeHeads is ${String(activeHeads)}.`,
    `Give a whole number from ${own.sharedHeads + 1} to ${heads}: ${own.sharedHeads} heads are always on.`,
  );
}

function invalidOption(message: string, fix: string): VitrailError {
  return new VitrailError('invalid-argument', message, { where: 'attention/moh', fix });
}
