import { workingTokens } from '../kernels/gather-tokens.ref.ts';
import { keyScores } from '../kernels/selection-scores.ref.ts';
import { topVotes } from '../kernels/selection-top.ref.ts';
import { capacityOf, keptOf } from '../kernels/selection-use.ts';
import { reachingVotes, softVotes } from '../kernels/selection-votes.ref.ts';
import { cosine } from '../testing/selection.ts';
import type { AttentionConfig } from './attention-shape.ts';
import type { TokenSelectConfig } from './token-select-config.ts';

type Heads = Pick<AttentionConfig, 'numAttentionHeads' | 'numKeyValueHeads' | 'headDim'>;

/** TokenSelect of one layer in plain TypeScript and double precision: the specification that the kernels are held against. */
export class ReferenceSelection {
  readonly #config: TokenSelectConfig;
  readonly #heads: Heads;
  /** Of the last single token that selected; null behind a pass. */
  #lastQuery: Float64Array | null = null;
  #slots: number[] = [];

  constructor(config: TokenSelectConfig, heads: Heads) {
    this.#config = config;
    this.#heads = heads;
  }

  /** Tokens of the working set by slot, as the next step finds it. */
  get slots(): readonly number[] {
    return this.#slots;
  }

  /**
   * Tokens of the working set that a pass attends to, by slot, its own the last ones. Queries and keys are those before rotation; `turn`
   * rotates heads to a position. `continues`: a step behind a sampled token.
   */
  tokens(
    queries: readonly Float64Array[],
    keys: readonly Float64Array[],
    continues: boolean,
    turn: (heads: Float64Array, position: number) => Float64Array,
  ): readonly number[] {
    const query = turn(mean(queries), this.#config.local);
    if (!continues) {
      this.#slots = this.#filled(query, keys);
      this.#lastQuery = null;
      return this.#slots;
    }
    const attended = [...this.#slots, keys.length - 1];
    this.#slots = this.#isDue(query, keys.length, attended.length)
      ? this.#filled(query, keys)
      : attended;
    return attended;
  }

  /** Does a step select for the next one? */
  #isDue(query: Float64Array, tokens: number, slots: number): boolean {
    const capacity = capacityOf(this.#config);
    if (tokens < capacity) return false;
    const last = this.#lastQuery;
    const goesOn = last !== null && cosine(query, last) >= this.#config.similarity;
    if (goesOn && slots < capacity) return false;
    this.#lastQuery = query;
    return true;
  }

  #filled(query: Float64Array, keys: readonly Float64Array[]): number[] {
    const isLong = keys.length >= capacityOf(this.#config);
    return workingTokens(this.#config, isLong ? this.#select(query, keys) : [], keys.length);
  }

  #select(query: Float64Array, keys: readonly Float64Array[]): number[] {
    const { numAttentionHeads, numKeyValueHeads, headDim } = this.#heads;
    const { initial, selected } = this.#config;
    const candidates = keys.slice(initial, keys.length - keptOf(this.#config));
    const scores = Array.from({ length: numAttentionHeads }, (_, head) => {
      const first = Math.floor(head / (numAttentionHeads / numKeyValueHeads)) * headDim;
      return keyScores(
        query.subarray(head * headDim, (head + 1) * headDim),
        candidates.map((key) => key.subarray(first, first + headDim)),
      );
    });
    return topVotes(reachingVotes(softVotes(scores)), selected).map((place) => place + initial);
  }
}

function mean(rows: readonly Float64Array[]): Float64Array {
  const sum = new Float64Array(rows[0]?.length ?? 0);
  for (const row of rows) {
    row.forEach((value, i) => {
      sum[i] = (sum[i] ?? 0) + value / rows.length;
    });
  }
  return sum;
}
