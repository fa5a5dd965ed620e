import { VitrailError } from '../errors.ts';
import { capacityOf } from '../kernels/selection-use.ts';
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
  /** Last tokens that are attended to at most; seven eighths of them always are. */
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

/**
 * The paper's sizes, in proportion for models that were trained with shorter contexts; half of the trained length at most, since a model that
 * attends to all of it finds less (train/token-select).
 */
function defaultsFor(trainedLength: number): TokenSelectConfig {
  const share = Math.min(1, trainedLength / capacityOf(paper));
  const initial = Math.max(1, Math.floor(paper.initial * share));
  // Whole tiles of tokens, since a pass has as many.
  const local = Math.max(2, Math.floor((paper.local * share) / 64) * 64);
  const room = Math.floor(trainedLength / 2) - initial - local;
  const selected = Math.min(paper.selected, Math.max(1, room));
  return { ...paper, initial, local, selected };
}

function invalidOption(message: string, fix: string): VitrailError {
  return new VitrailError('invalid-argument', message, { where: 'attention/token-select', fix });
}
