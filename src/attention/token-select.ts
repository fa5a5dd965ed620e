import { VitrailError } from '../errors.ts';
import type { BufferSet } from '../gpu/buffer-set.ts';
import type { BufferRange, Dispatch, Gpu } from '../gpu/gpu.ts';
import { prepareDispatch } from '../gpu/kernel.ts';
import { type GatherUse, gatherTokens } from '../kernels/gather-tokens.ts';
import { layerWidthsBytes, narrowCacheBytes, packLayerWidths } from '../kernels/head-widths.ts';
import { keepToken } from '../kernels/keep-token.ts';
import { isPacked, type WholeKv } from '../kernels/kv-format.ts';
import { selectionPass } from '../kernels/selection-pass.ts';
import { selectionScores } from '../kernels/selection-scores.ts';
import { type SelectionStepUse, selectionStep } from '../kernels/selection-step.ts';
import { selectionTop } from '../kernels/selection-top.ts';
import {
  capacityOf,
  layerBytes,
  type SelectionUse,
  selectionHeader,
  setFormat,
} from '../kernels/selection-use.ts';
import { selectionVotes } from '../kernels/selection-votes.ts';
import { turnsWholeUnits } from '../kernels/turn-quads.ts';
import type { MatryoshkaConfig } from './matryoshka.ts';
import type { LayerCaches } from './staged-cache.ts';
import type { TokenSelectConfig } from './token-select-config.ts';

/** What attention reads in place of the caches, and where a step puts its own token. */
export interface WorkingSet {
  /** Position and rows within the working set (lib/state). */
  state: BufferRange;
  k_cache: BufferRange;
  v_cache: BufferRange;
}

/** What the kernels share of a layer's use. */
export type SelectionShape = Omit<SelectionUse, keyof TokenSelectConfig | 'layers'>;

/** Where the pass stands in the context, and what turns keys and queries. */
export type SelectionInputs = Record<'state' | 'rope', GPUBuffer> & {
  /** The bases of all layers, where caches are narrow. */
  basis: GPUBuffer | null;
};

type Bound = Readonly<Record<string, GPUBuffer | BufferRange | null>>;

type LayerBytes = ReturnType<typeof layerBytes>;

/** Layers whose parts lie side by side in each buffer; narrow caches behind each other, as `headWidths` says. */
interface Group {
  layers: number;
  buffers: Record<keyof LayerBytes, GPUBuffer>;
  headWidths: GPUBuffer | null;
}

type LayerParts = Record<keyof LayerBytes, BufferRange> & { head_widths?: BufferRange };

/** Of every device: bytes of a uniform. */
const maxUniformBytes = 65_536;

/**
 * The selection of all layers that use it, and their caches. A pass of a prompt selects between a layer's projection and its attention, and
 * so does a step that asks for itself. Any other step attends to its layers' working sets and adds its own token to them; what it asks for
 * is selected behind all layers, for the next step: each kernel takes as many layers at once as fit into a binding, since every dispatch
 * waits for the one before.
 */
export class TokenSelect {
  readonly config: TokenSelectConfig;
  readonly #gpu: Gpu;
  readonly #use: SelectionUse;
  readonly #bytes: LayerBytes;
  readonly #groups: readonly Group[];
  /** Places among the layers that select, by layer. */
  readonly #places: ReadonlyMap<number, number>;
  readonly #perGroup: number;
  readonly #passWorking: GPUBuffer;

  /** For these layers; `widths` of all layers where caches are narrow. Throws `model-unsupported` where rotated pairs do not lie in whole units. */
  constructor(
    gpu: Gpu,
    config: TokenSelectConfig,
    shape: SelectionShape,
    layers: readonly number[],
    widths: MatryoshkaConfig['widths'] | null,
    buffers: BufferSet,
  ) {
    if (!turnsWholeUnits(shape)) {
      throw new VitrailError(
        'model-unsupported',
        `TokenSelect does not run on heads of ${shape.headDim} of which ${shape.ropeDimensions} components are rotated.`,
        { where: 'attention/token-select', fix: 'Leave attention.tokenSelect out for this model.' },
      );
    }
    this.#gpu = gpu;
    this.config = config;
    this.#use = { ...shape, ...config, layers: 1, ...(widths ? { ragged: true } : {}) };
    this.#bytes = layerBytes(this.#use);
    this.#places = new Map(layers.map((layer, place) => [layer, place]));
    const widest = Math.max(...Object.values(this.#bytes));
    const most = Math.min(
      Math.floor(gpu.maxStorageBytes / widest),
      widths ? Math.floor(maxUniformBytes / layerWidthsBytes(shape)) : layers.length,
    );
    this.#perGroup = Math.max(1, most);
    this.#groups = Array.from({ length: Math.ceil(layers.length / this.#perGroup) }, (_, i) => {
      const own = layers.slice(i * this.#perGroup, (i + 1) * this.#perGroup);
      return this.#allocate(own, widths, buffers);
    });
    this.#passWorking = buffers.storage('state of a pass in working sets', this.#bytes.working);
  }

  /** Of working sets, as attention sees them. */
  get shape(): { contextLength: number; kv: WholeKv } {
    return { contextLength: capacityOf(this.config), kv: setFormat(this.#use) };
  }

  /** The keys, before rotation, and values of a layer's whole context. */
  caches(layer: number): LayerCaches {
    const { k_cache, v_cache, kv_scales, head_widths } = this.#ofLayer(layer);
    return {
      k_cache,
      v_cache,
      ...(isPacked(this.#use.kv) ? { kv_scales } : {}),
      ...(head_widths ? { head_widths } : {}),
    };
  }

  /** Bytes of the caches of all layers. */
  get cacheBytes(): number {
    return this.#groups.reduce((sum, { buffers: { k_cache, v_cache, kv_scales } }) => {
      const scales = isPacked(this.#use.kv) ? kv_scales.size : 0;
      return sum + k_cache.size + v_cache.size + scales;
    }, 0);
  }

  /** The working set of a layer for a step, and where the step's queries go. */
  ofStep(layer: number): WorkingSet & { queries: BufferRange } {
    const { working, queries } = this.#ofLayer(layer);
    return { state: working, ...this.#setOf(layer), queries };
  }

  /** The working set of a layer for a pass. */
  ofPass(layer: number): WorkingSet {
    return { state: { buffer: this.#passWorking }, ...this.#setOf(layer) };
  }

  /** The tokens that the next step attends to in each layer, where it selects from so many. */
  async attended(tokens: number): Promise<number[][]> {
    const { initial, selected } = this.config;
    const { selections: selectionBytes, working: workingBytes } = this.#bytes;
    const found: number[][] = [];
    for (const { layers, buffers } of this.#groups) {
      const { selections, working } = buffers;
      const words = await this.#gpu.readBuffers([selections, working]);
      for (let layer = 0; layer < layers; layer += 1) {
        const first = (layer * selectionBytes) / 4 + selectionHeader;
        const taken = words[(selections.size + layer * workingBytes) / 4] ?? 0;
        const last = tokens - (taken - initial - selected);
        const chosen = words.subarray(first, first + selected);
        found.push([...range(0, initial), ...chosen, ...range(last, tokens)]);
      }
    }
    return found;
  }

  /** Chooses tokens by the queries of a pass and fills the working set with them; turns the queries to their positions in it. */
  forPass(
    layer: number,
    inputs: SelectionInputs & { queries: GPUBuffer | BufferRange },
  ): Promise<Dispatch>[] {
    const all = { ...this.#ofLayer(layer), ...inputs, pass_working: this.#passWorking };
    return [
      prepareDispatch(this.#gpu, selectionPass, this.#use, all),
      ...this.#select({ ...this.#use, step: false }, all),
    ];
  }

  /** What the working set of a layer becomes for a step that asks for itself, before its attention: see `forStep`. */
  ofOwnStep(layer: number): WorkingSet & { queries: BufferRange } {
    return { ...this.ofStep(layer), state: { buffer: this.#passWorking } };
  }

  /** Chooses tokens by a step's own query, fills the working set with them and turns the query to its position in it. */
  forStep(layer: number, inputs: SelectionInputs): Promise<Dispatch>[] {
    const all = { ...this.#ofLayer(layer), ...inputs, pass_working: this.#passWorking };
    return this.#step({ ...this.#use, own: true }, all);
  }

  /** Behind a step: keeps its token and, where a selection is due, selects and fills the working sets anew. */
  afterStep(inputs: SelectionInputs): Promise<Dispatch>[] {
    return this.#groups.flatMap(({ layers, buffers, headWidths }) =>
      this.#step({ ...this.#use, layers }, { ...buffers, ...inputs, head_widths: headWidths }),
    );
  }

  #step(use: SelectionStepUse, buffers: Bound): Promise<Dispatch>[] {
    return [
      prepareDispatch(this.#gpu, selectionStep, use, buffers),
      prepareDispatch(this.#gpu, keepToken, use, buffers),
      ...this.#select({ ...use, step: true }, buffers),
    ];
  }

  /** From what is asked for to a filled working set, where a selection is due. */
  #select(use: GatherUse, buffers: Bound): Promise<Dispatch>[] {
    const kernels = [selectionScores, selectionVotes, selectionTop, gatherTokens] as const;
    return kernels.map((kernel) => prepareDispatch(this.#gpu, kernel, use, buffers));
  }

  #setOf(layer: number): Record<'k_cache' | 'v_cache', BufferRange> {
    const { buffer, offset = 0, size = 0 } = this.#ofLayer(layer).slots;
    const half = size / 2;
    return {
      k_cache: { buffer, offset, size: half },
      v_cache: { buffer, offset: offset + half, size: half },
    };
  }

  #ofLayer(layer: number): LayerParts {
    const place = this.#places.get(layer) ?? 0;
    const { buffers, headWidths } = this.#groups[Math.floor(place / this.#perGroup)] as Group;
    const at = place % this.#perGroup;
    const parts = mapValues(this.#bytes, (size, name) => ({
      buffer: buffers[name],
      offset: at * size,
      size,
    }));
    if (!headWidths) return parts;
    const size = layerWidthsBytes(this.#use);
    return {
      ...parts,
      k_cache: { buffer: buffers.k_cache },
      v_cache: { buffer: buffers.v_cache },
      kv_scales: { buffer: buffers.kv_scales },
      head_widths: { buffer: headWidths, offset: at * size, size },
    };
  }

  #allocate(
    layers: readonly number[],
    widths: MatryoshkaConfig['widths'] | null,
    buffers: BufferSet,
  ): Group {
    const whole = mapValues(this.#bytes, (size) => layers.length * size);
    const kept = widths && layers.map((layer) => ({ layer, kept: widths[layer] ?? [] }));
    const narrow =
      kept &&
      narrowCacheBytes(
        this.#use,
        kept.flatMap((own) => own.kept),
      );
    return {
      layers: layers.length,
      buffers: mapValues({ ...whole, ...narrow }, (size, name) =>
        buffers.storage(`${name} of selecting layers`, size),
      ),
      headWidths:
        kept && buffers.uniform('widths of selecting layers', packLayerWidths(this.#use, kept)),
    };
  }
}

function mapValues<Name extends string, From, To>(
  record: Record<Name, From>,
  map: (value: From, name: Name) => To,
): Record<Name, To> {
  const entries = Object.entries(record) as [Name, From][];
  return Object.fromEntries(entries.map(([name, value]) => [name, map(value, name)])) as Record<
    Name,
    To
  >;
}

function range(first: number, end: number): number[] {
  return Array.from({ length: end - first }, (_, i) => first + i);
}
