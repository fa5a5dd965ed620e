import { VitrailError } from '../errors.ts';
import type { BufferSet } from '../gpu/buffer-set.ts';
import type { Dispatch, Gpu } from '../gpu/gpu.ts';
import { prepareDispatch } from '../gpu/kernel.ts';
import { gatherTokens } from '../kernels/gather-tokens.ts';
import {
  capacityOf,
  type SelectionUse,
  selectionScores,
  selectionStrips,
} from '../kernels/selection-scores.ts';
import { selectionTop } from '../kernels/selection-top.ts';
import { selectionVotes } from '../kernels/selection-votes.ts';
import { turnsWholeUnits } from '../kernels/turn-quads.ts';
import type { TokenSelectOption } from '../types.ts';

/**
 * TokenSelect (arXiv 2411.02886): a token attends to the first tokens of the context, to those that its queries ask for, and to the last
 * ones. Together they take the positions of a short text, so that a context may be longer than what the model was trained for.
 */
export interface TokenSelectConfig {
  /** First tokens, always attended to. */
  initial: number;
  /** Tokens that are chosen. */
  selected: number;
  /** Last tokens, always attended to; a pass of a prompt has at most as many. */
  local: number;
  /** Cosine of two queries from which on a token goes on with the selection of the one before (0 to 1). */
  similarity: number;
}

/** The paper's sizes. */
const paper: TokenSelectConfig = { initial: 128, selected: 2048, local: 512, similarity: 0.9 };

/** What a page asks for, for a model trained with contexts of `trainedLength`; null where it does not. Throws `invalid-argument`. */
export function chooseTokenSelect(
  option: TokenSelectOption | undefined,
  trainedLength: number,
): TokenSelectConfig | null {
  if (option === undefined || option === false) return null;
  const config = { ...defaultsFor(trainedLength), ...(option === true ? {} : option) };
  const sizes = [config.initial, config.selected, config.local];
  if (!sizes.every((size) => Number.isInteger(size) && size >= 1)) {
    throw invalidOption(
      `attention.tokenSelect has the sizes ${sizes.join(', ')}.`,
      'Give initial, selected and local whole numbers of at least 1.',
    );
  }
  if (!(config.similarity >= 0 && config.similarity <= 1)) {
    throw invalidOption(
      `attention.tokenSelect.similarity is ${String(config.similarity)}.`,
      'Give a number from 0 to 1; above 1 nothing would ever be similar enough.',
    );
  }
  if (capacityOf(config) > trainedLength) {
    throw invalidOption(
      `attention.tokenSelect attends to ${capacityOf(config)} tokens; the model knows positions up to ${trainedLength}.`,
      `Choose initial + selected + local of at most ${trainedLength}, or leave the sizes out.`,
    );
  }
  return config;
}

/** The paper's sizes, in proportion for models that were trained with shorter contexts. */
function defaultsFor(trainedLength: number): TokenSelectConfig {
  const share = Math.min(1, trainedLength / capacityOf(paper));
  const initial = Math.max(1, Math.floor(paper.initial * share));
  // Whole tiles of tokens, since a pass has as many.
  const local = Math.max(1, Math.floor((paper.local * share) / 64) * 64);
  const selected = Math.min(paper.selected, Math.max(1, trainedLength - initial - local));
  return { ...paper, initial, local, selected };
}

function invalidOption(message: string, fix: string): VitrailError {
  return new VitrailError('invalid-argument', message, { where: 'attention/token-select', fix });
}

/** Words of `struct Selection` before its tokens. */
export const selectionHeader = 4;

/** A working set: what attention reads in place of the caches. */
export interface WorkingSet {
  /** Position and rows of the pass within the working set (lib/state). */
  state: GPUBuffer;
  k_cache: GPUBuffer;
  v_cache: GPUBuffer;
}

/** What the kernels share of a layer's use. */
export type SelectionShape = Omit<SelectionUse, keyof TokenSelectConfig>;

interface LayerSelection {
  last_query: GPUBuffer;
  selection: GPUBuffer;
  keys: GPUBuffer;
  values: GPUBuffer;
}

/** The selection of all layers that use it: buffers, and the dispatches between a layer's projection and its attention. */
export class TokenSelect {
  readonly config: TokenSelectConfig;
  readonly #gpu: Gpu;
  readonly #use: SelectionUse;
  readonly #buffers: BufferSet;
  readonly #working: GPUBuffer;
  readonly #shared: Record<'scores' | 'scales' | 'votes', GPUBuffer>;
  readonly #layers = new Map<number, LayerSelection>();

  /** Throws `model-unsupported` where rotated pairs do not lie in whole units. */
  constructor(gpu: Gpu, config: TokenSelectConfig, shape: SelectionShape, buffers: BufferSet) {
    if (!turnsWholeUnits(shape)) {
      throw new VitrailError(
        'model-unsupported',
        `TokenSelect does not run on heads of ${shape.headDim} of which ${shape.ropeDimensions} components are rotated.`,
        { where: 'attention/token-select', fix: 'Leave attention.tokenSelect out for this model.' },
      );
    }
    this.#gpu = gpu;
    this.config = config;
    this.#use = { ...shape, ...config };
    this.#buffers = buffers;
    const { heads, contextLength } = shape;
    const floats = (label: string, count: number) => buffers.storage(label, count * 4);
    this.#working = floats('state of working sets', 8);
    this.#shared = {
      scores: floats('scores of tokens', heads * contextLength),
      scales: floats('scales of scores', 2 + heads * selectionStrips * 2),
      votes: floats('votes for tokens', contextLength),
    };
  }

  /** The working set of a layer. */
  workingSet(layer: number): WorkingSet {
    const { keys, values } = this.#layer(layer);
    return { state: this.#working, k_cache: keys, v_cache: values };
  }

  /** What each layer that has selected keeps of it: `struct Selection`. */
  get selections(): readonly GPUBuffer[] {
    return [...this.#layers.values()].map(({ selection }) => selection);
  }

  /** Chooses tokens by the queries of a pass and fills the working set with them; turns the queries to their positions in it. */
  dispatches(
    layer: number,
    buffers: Record<'state' | 'queries' | 'k_cache' | 'v_cache' | 'rope', GPUBuffer>,
  ): Promise<Dispatch>[] {
    const all = { ...buffers, ...this.#shared, ...this.#layer(layer), working: this.#working };
    const kernels = [selectionScores, selectionVotes, selectionTop, gatherTokens] as const;
    return kernels.map((kernel) => prepareDispatch(this.#gpu, kernel, this.#use, all));
  }

  #layer(layer: number): LayerSelection {
    const known = this.#layers.get(layer);
    if (known) return known;
    const { heads, kvHeads, headDim, kv, selected } = this.#use;
    const bytes = kvHeads * capacityOf(this.config) * headDim * (kv === 'f16' ? 2 : 4);
    const made = {
      last_query: this.#buffers.storage(`last query ${layer}`, heads * headDim * 4),
      selection: this.#buffers.storage(`selection ${layer}`, (selectionHeader + selected) * 4),
      keys: this.#buffers.storage(`working keys ${layer}`, bytes),
      values: this.#buffers.storage(`working values ${layer}`, bytes),
    };
    this.#layers.set(layer, made);
    return made;
  }
}
