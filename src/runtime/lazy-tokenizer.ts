import type { Detokenizer, Tokenizer, TokenizerDefinition } from '../tokenizer/tokenizer.ts';
import type { TextCore } from './text-part.ts';

/** Building a tokenizer of 50,000 tokens takes 0.2 s, which a load need not wait for. */
export class LazyTokenizer {
  readonly definition: TokenizerDefinition;
  readonly endIds: ReadonlySet<number>;
  readonly #core: TextCore;
  #built: Tokenizer | null = null;

  constructor(core: TextCore, definition: TokenizerDefinition) {
    this.#core = core;
    this.definition = definition;
    this.endIds = new Set(definition.endIds);
  }

  get(): Tokenizer {
    this.#built ??= this.#core.createTokenizer(this.definition);
    return this.#built;
  }

  createDetokenizer(): Detokenizer {
    return this.#core.createDetokenizer(this.get());
  }

  /** Builds it once the load has been answered, so that the first request need not wait either. */
  buildSoon(): void {
    setTimeout(() => this.get(), 0);
  }
}
