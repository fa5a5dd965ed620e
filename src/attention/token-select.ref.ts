import { workingTokens } from '../kernels/gather-tokens.ref.ts';
import { keyScores } from '../kernels/selection-scores.ref.ts';
import { capacityOf } from '../kernels/selection-scores.ts';
import { topVotes } from '../kernels/selection-top.ref.ts';
import { softVotes } from '../kernels/selection-votes.ref.ts';
import { cosine } from '../testing/selection.ts';
import type { AttentionConfig } from './attention.ts';
import type { TokenSelectConfig } from './token-select.ts';

type Heads = Pick<AttentionConfig, 'numAttentionHeads' | 'numKeyValueHeads' | 'headDim'>;

/** TokenSelect of one layer in plain TypeScript and double precision: the specification that the kernels are held against. */
export class ReferenceSelection {
  readonly #config: TokenSelectConfig;
  readonly #heads: Heads;
  #lastQuery: Float64Array | null = null;
  #chosen: number[] = [];

  constructor(config: TokenSelectConfig, heads: Heads) {
    this.#config = config;
    this.#heads = heads;
  }

  /** Tokens of the working set of a pass, by slot. Queries and keys are those before rotation; `turn` rotates heads to a position. */
  tokens(
    queries: readonly Float64Array[],
    keys: readonly Float64Array[],
    continues: boolean,
    turn: (heads: Float64Array, position: number) => Float64Array,
  ): number[] {
    const { local, similarity } = this.#config;
    const tokens = keys.length;
    if (tokens <= capacityOf(this.#config)) {
      this.#lastQuery = null;
      return workingTokens(this.#config, [], tokens);
    }
    const query = turn(mean(queries), local);
    const reuses =
      continues && this.#lastQuery !== null && cosine(query, this.#lastQuery) >= similarity;
    if (!reuses) {
      this.#chosen = this.#select(query, keys);
      this.#lastQuery = query;
    }
    const chosen = workingTokens(this.#config, this.#chosen, tokens);
    // A pass of a prompt selects for all its tokens, so none of them may go on with it.
    if (queries.length > 1) this.#lastQuery = null;
    return chosen;
  }

  #select(query: Float64Array, keys: readonly Float64Array[]): number[] {
    const { numAttentionHeads, numKeyValueHeads, headDim } = this.#heads;
    const { initial, local, selected } = this.#config;
    const candidates = keys.slice(initial, keys.length - local);
    const scores = Array.from({ length: numAttentionHeads }, (_, head) => {
      const first = Math.floor(head / (numAttentionHeads / numKeyValueHeads)) * headDim;
      return keyScores(
        query.subarray(head * headDim, (head + 1) * headDim),
        candidates.map((key) => key.subarray(first, first + headDim)),
      );
    });
    return topVotes(softVotes(scores), selected).map((place) => place + initial);
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
