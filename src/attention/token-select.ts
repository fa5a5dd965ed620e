import { VitrailError } from '../errors.ts';
import type { BufferSet } from '../gpu/buffer-set.ts';
import type { Dispatch, Gpu } from '../gpu/gpu.ts';
import { prepareDispatch } from '../gpu/kernel.ts';
import { gatherTokens } from '../kernels/gather-tokens.ts';
import { selectionPass } from '../kernels/selection-pass.ts';
import {
  capacityOf,
  type SelectionUse,
  selectionScores,
  selectionStrips,
} from '../kernels/selection-scores.ts';
import { selectionStep } from '../kernels/selection-step.ts';
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
  /** Last tokens that are attended to at most; seven eighths of them always are, and a pass of a prompt has at most as many. */
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
  if (!sizes.every((size) => Number.isInteger(size) && size >= 1) || config.local < 2) {
    throw invalidOption(
      `attention.tokenSelect has the sizes ${sizes.join(', ')}.`,
      'Give initial and selected whole numbers of at least 1, local of at least 2.',
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
  const local = Math.max(2, Math.floor((paper.local * share) / 64) * 64);
  const selected = Math.min(paper.selected, Math.max(1, trainedLength - initial - local));
  return { ...paper, initial, local, selected };
}

function invalidOption(message: string, fix: string): VitrailError {
  return new VitrailError('invalid-argument', message, { where: 'attention/token-select', fix });
}

/** Words of `struct Selection` before its tokens. */
const selectionHeader = 4;
/** Bytes of `struct State` with one token. */
const stateBytes = 32;

/** What attention reads in place of the caches, and where a step puts its own token. */
export interface WorkingSet {
  /** Position and rows within the working set (lib/state). */
  state: GPUBuffer;
  k_cache: GPUBuffer;
  v_cache: GPUBuffer;
}

/** What the kernels share of a layer's use. */
export type SelectionShape = Omit<SelectionUse, keyof TokenSelectConfig>;

/** The caches of a layer, with keys before rotation, and what turns them. */
export type SelectionInputs = Record<'state' | 'k_cache' | 'v_cache' | 'rope', GPUBuffer>;

type LayerBuffers = Record<
  'selection' | 'asked' | 'working' | 'keys' | 'values' | 'queries' | 'scores' | 'strips' | 'votes',
  GPUBuffer
>;

/**
 * The selection of all layers that use it. A pass of a prompt selects between a layer's projection and its attention. A decode step
 * attends to its layers' working sets and adds its own token to them; what it asks for is selected behind all layers, for the next step. There
 * layers do not wait for each other, so each has buffers of its own.
 */
export class TokenSelect {
  readonly config: TokenSelectConfig;
  readonly #gpu: Gpu;
  readonly #use: SelectionUse;
  readonly #buffers: BufferSet;
  readonly #passWorking: GPUBuffer;
  readonly #layers = new Map<number, LayerBuffers>();

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
    this.#passWorking = buffers.storage('state of a pass in working sets', stateBytes);
  }

  /** The working set of a layer for a step, and where the step's queries go. */
  ofStep(layer: number): WorkingSet & { queries: GPUBuffer } {
    const { keys, values, working, queries } = this.#layer(layer);
    return { state: working, k_cache: keys, v_cache: values, queries };
  }

  /** The working set of a layer for a pass. */
  ofPass(layer: number): WorkingSet {
    const { keys, values } = this.#layer(layer);
    return { state: this.#passWorking, k_cache: keys, v_cache: values };
  }

  /** The tokens that the next step attends to in each layer, where it selects from so many. */
  async attended(tokens: number): Promise<number[][]> {
    const { initial, selected } = this.config;
    const ofLayers = [...this.#layers.values()];
    const words = await this.#gpu.readBuffers(
      ofLayers.flatMap(({ selection, working }) => [selection, working]),
    );
    let at = 0;
    return ofLayers.map(({ selection, working }) => {
      const chosen = words.subarray(at + selectionHeader, at + selectionHeader + selected);
      // Buffers are rounded up.
      at += selection.size / 4;
      const last = (words[at] ?? 0) - initial - selected;
      at += working.size / 4;
      return [...range(0, initial), ...chosen, ...range(tokens - last, tokens)];
    });
  }

  /** Chooses tokens by the queries of a pass and fills the working set with them; turns the queries to their positions in it. */
  forPass(layer: number, inputs: SelectionInputs & { queries: GPUBuffer }): Promise<Dispatch>[] {
    const all = { ...this.#layer(layer), ...inputs, pass_working: this.#passWorking };
    const kernels = [selectionPass, selectionScores, selectionVotes, selectionTop] as const;
    return [
      ...kernels.map((kernel) => prepareDispatch(this.#gpu, kernel, this.#use, all)),
      prepareDispatch(this.#gpu, gatherTokens, { ...this.#use, step: false }, all),
    ];
  }

  /** Behind a step: keeps its token and, where a selection is due, selects and fills the working sets anew. Kernel by kernel. */
  afterStep(layers: ReadonlyMap<number, SelectionInputs>): Promise<Dispatch>[] {
    const ofLayers = [...layers].map(([layer, inputs]) => ({ ...this.#layer(layer), ...inputs }));
    const kernels = [selectionStep, selectionScores, selectionVotes, selectionTop] as const;
    return [
      ...kernels.flatMap((kernel) =>
        ofLayers.map((all) => prepareDispatch(this.#gpu, kernel, this.#use, all)),
      ),
      ...ofLayers.map((all) =>
        prepareDispatch(this.#gpu, gatherTokens, { ...this.#use, step: true }, all),
      ),
    ];
  }

  #layer(layer: number): LayerBuffers {
    const known = this.#layers.get(layer);
    if (known) return known;
    const made = this.#allocate(layer);
    this.#layers.set(layer, made);
    return made;
  }

  #allocate(layer: number): LayerBuffers {
    const { heads, kvHeads, headDim, kv, selected, contextLength } = this.#use;
    const bytes = kvHeads * capacityOf(this.config) * headDim * (kv === 'f16' ? 2 : 4);
    const storage = (label: string, size: number) =>
      this.#buffers.storage(`${label} ${layer}`, size);
    const floats = (label: string, count: number) => storage(label, count * 4);
    return {
      selection: floats('selection', selectionHeader + selected),
      asked: floats('asked', 2 * heads * headDim),
      working: storage('state of working set', stateBytes),
      keys: storage('working keys', bytes),
      values: storage('working values', bytes),
      queries: floats('queries of a step', heads * headDim),
      scores: floats('scores of tokens', heads * contextLength),
      strips: floats('scales of scores', heads * selectionStrips * 2),
      votes: floats('votes for tokens', contextLength),
    };
  }
}

function range(first: number, end: number): number[] {
  return Array.from({ length: end - first }, (_, i) => first + i);
}
