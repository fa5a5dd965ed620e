import { VitrailError } from '../errors.ts';
import type { ModelHeader } from '../formats/header.ts';
import type { KeptWidths } from '../kernels/head-widths.ts';
import type { MatryoshkaOption } from '../types.ts';

/**
 * MatryoshkaKV (arXiv 2410.14731): keys and values are cached as coefficients of an orthogonal basis of their head, as many as a budget
 * leaves to it. Keys of GGUF: docs/adr/0012-matryoshka-kv.md.
 */
export interface MatryoshkaConfig {
  /** What the cache takes, as a share of an uncompressed one. */
  budget: number;
  /** Components that are kept, by layer and KV head. */
  widths: readonly (readonly KeptWidths[])[];
}

/** Names of the basis of a layer's keys, and of the mean of its values in theirs. */
export interface BasisNames {
  keys: string;
  mean: string;
}

/** What the widths have to fit. */
interface CacheShape {
  numHiddenLayers: number;
  numKeyValueHeads: number;
  headDim: number;
}

const where = 'attention/matryoshka';
/** Widths are multiples of an eighth of a head, and kernels read four components at once. */
const headUnit = 32;
/** Budgets come in single precision. */
const slack = 1e-6;

export function basisNames(layer: number): BasisNames {
  return {
    keys: `blk.${layer}.attn_k_basis.weight`,
    mean: `blk.${layer}.attn_v_mean.weight`,
  };
}

/**
 * The widths that the file has for the largest budget up to the one that a page asks for; null where it asks for none.
 * Throws `invalid-argument`, `model-unsupported` and `model-corrupt`.
 */
export function chooseMatryoshka(
  header: Pick<ModelHeader, 'metadata' | 'tensors'>,
  shape: CacheShape,
  option: MatryoshkaOption | undefined,
): MatryoshkaConfig | null {
  if (option === undefined || option === false) return null;
  const wanted = option.budget;
  if (!(Number.isFinite(wanted) && wanted > 0 && wanted <= 1)) {
    throw invalidOption(
      `attention.matryoshka.budget is ${String(wanted)}.`,
      'Give the share of an uncompressed cache: a number above 0, at most 1.',
    );
  }
  const budgets = budgetsOf(header);
  const fitting = budgets.filter((budget) => budget <= wanted + slack);
  if (fitting.length === 0) {
    throw budgets.length === 0
      ? invalidOption(
          'The model has no bases for its keys and values.',
          'Leave attention.matryoshka out, or add bases to the file with train/matryoshka.',
        )
      : invalidOption(
          `The model has no widths for a budget of ${wanted}.`,
          `Give attention.matryoshka.budget at least ${Math.min(...budgets)}.`,
        );
  }
  if (header.tensors.has('blk.0.attn_v_basis.weight')) {
    throw new VitrailError(
      'model-unsupported',
      "The file keeps the bases of its values beside its weights, as Vitrail's first versions did.",
      {
        where,
        fix: 'Export it again with train/matryoshka, which multiplies them into the weights.',
      },
    );
  }
  if (shape.headDim % headUnit !== 0) {
    throw new VitrailError(
      'model-unsupported',
      `Heads of ${shape.headDim} components cannot be narrowed.`,
      { where, fix: `Leave attention.matryoshka out: heads have to be multiples of ${headUnit}.` },
    );
  }
  const budget = Math.max(...fitting);
  return { budget, widths: widthsOf(header, shape, budget) };
}

function budgetsOf({ metadata }: Pick<ModelHeader, 'metadata'>): number[] {
  const stored = metadata.get('vitrail.matryoshka.budgets');
  return stored instanceof Float32Array ? [...stored] : [];
}

/** The file lists them by layer, keys before values, and KV head. */
function widthsOf(
  { metadata }: Pick<ModelHeader, 'metadata'>,
  { numHiddenLayers, numKeyValueHeads: heads, headDim }: CacheShape,
  budget: number,
): KeptWidths[][] {
  const percent = String(Number((budget * 100).toFixed(4))).replace('.', '_');
  const key = `vitrail.matryoshka.widths.${percent}`;
  const stored = metadata.get(key);
  const widths = stored instanceof Uint32Array ? [...stored] : [];
  const fits = (width: number) => width > 0 && width <= headDim && width % (headDim / 8) === 0;
  if (widths.length !== numHiddenLayers * 2 * heads || !widths.every(fits)) {
    throw new VitrailError('model-corrupt', `'${key}' does not fit the model's heads.`, {
      where,
      fix: 'Download the file again; if that does not help, it was converted wrongly.',
      detail: { key, widths: widths.length, layers: numHiddenLayers, heads, headDim },
    });
  }
  return Array.from({ length: numHiddenLayers }, (_, layer) =>
    Array.from({ length: heads }, (__, head) => ({
      keys: widths[2 * layer * heads + head] as number,
      values: widths[(2 * layer + 1) * heads + head] as number,
    })),
  );
}

function invalidOption(message: string, fix: string): VitrailError {
  return new VitrailError('invalid-argument', message, { where, fix });
}
