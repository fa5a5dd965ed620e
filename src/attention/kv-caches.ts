import type { BufferSet } from '../gpu/buffer-set.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { isPacked, kvBytes } from '../kernels/kv-format.ts';
import { isLong } from '../kernels/selection-use.ts';
import {
  type AttentionConfig,
  type AttentionSettings,
  attentionUse,
  headsShape,
  layerKind,
  rotatedShape,
} from './attention-shape.ts';
import { type LayerCaches, StagedCache } from './staged-cache.ts';
import { TokenSelect } from './token-select.ts';

/** Keys and values of all layers: whole, narrow or packed, or such that tokens are selected from them. */
export class KvCaches {
  /** Where caches are narrow or packed. */
  readonly staged: StagedCache | null;
  /** Of the layers that select. */
  readonly tokenSelect: TokenSelect | null;
  readonly #config: AttentionConfig;
  readonly #layers: readonly LayerCaches[];

  constructor(gpu: Gpu, config: AttentionConfig, settings: AttentionSettings, buffers: BufferSet) {
    this.#config = config;
    const { kvCache: kv, contextLength, passRows: stagedRows } = settings;
    const widths = config.matryoshka?.widths ?? null;
    const shape = headsShape(config, settings);
    // Layers that select attend to their working sets.
    const readsCaches = config.tokenSelect ? null : attentionUse(config, settings, 'full');
    this.staged =
      widths || isPacked(kv)
        ? new StagedCache(gpu, { ...shape, stagedRows }, widths, readsCaches, buffers)
        : null;
    const layers = Array.from({ length: config.numHiddenLayers }, (_, layer) => layer);
    this.tokenSelect = config.tokenSelect
      ? new TokenSelect(
          gpu,
          config.tokenSelect,
          { ...rotatedShape(config, settings, 'full'), kv },
          layers.filter((layer) => layerKind(config, layer) === 'full'),
          widths,
          buffers,
        )
      : null;
    const bytes = kvBytes(kv, shape.kvHeads * shape.headDim * contextLength);
    this.#layers = layers.map(
      (layer) =>
        this.selectionOf(layer)?.caches(layer) ??
        this.staged?.allocate(layer, buffers) ?? {
          k_cache: { buffer: buffers.storage(`keys ${layer}`, bytes) },
          v_cache: { buffer: buffers.storage(`values ${layer}`, bytes) },
        },
    );
  }

  /** Bytes that hold the keys and values of the whole context. */
  get bytes(): number {
    const own = this.#layers.filter((_, layer) => !this.selectionOf(layer));
    return own
      .flatMap(({ k_cache, v_cache, kv_scales }) => [
        k_cache,
        v_cache,
        ...(kv_scales ? [kv_scales] : []),
      ])
      .reduce((sum, { buffer }) => sum + buffer.size, this.tokenSelect?.cacheBytes ?? 0);
  }

  of(layer: number): LayerCaches {
    const cache = this.#layers[layer];
    if (!cache) throw new Error(`layer ${layer} has no cache`);
    return cache;
  }

  /** Null in layers that do not select: a sliding window is short as it is. */
  selectionOf(layer: number): TokenSelect | null {
    return layerKind(this.#config, layer) === 'full' ? this.tokenSelect : null;
  }

  /** How many layers attend to each of so many tokens when the next one is computed. */
  async attended(tokens: number): Promise<Uint32Array<ArrayBuffer>> {
    const counts = new Uint32Array(tokens);
    const count = (token: number): void => {
      counts[token] = (counts[token] ?? 0) + 1;
    };
    const countFrom = (first: number): void => {
      for (let token = Math.max(0, first); token < tokens; token += 1) count(token);
    };
    const { numHiddenLayers, slidingWindow, tokenSelect } = this.#config;
    const isSelected = tokenSelect !== null && isLong(tokenSelect, tokens);
    for (let layer = 0; layer < numHiddenLayers; layer += 1) {
      if (layerKind(this.#config, layer) === 'sliding')
        countFrom(tokens - (slidingWindow ?? tokens));
      else if (!isSelected) countFrom(0);
    }
    const selected = isSelected ? await this.tokenSelect?.attended(tokens) : [];
    for (const token of selected?.flat() ?? []) count(token);
    return counts;
  }
}
