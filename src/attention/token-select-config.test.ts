import { describe, expect, it } from 'vitest';
import { capacityOf, passTokensOf } from '../kernels/selection-use.ts';
import { chooseTokenSelect } from './token-select-config.ts';

describe('sizes of TokenSelect', () => {
  it.each([8192, 131_072])("are the paper's for a model trained with %s tokens", (trained) => {
    const paper = { initial: 128, selected: 2048, local: 512, similarity: 0.9 };
    expect(chooseTokenSelect(true, trained)).toEqual(paper);
  });

  it.each([256, 1024, 4096])('take half of %s trained tokens at most', (trained) => {
    const config = chooseTokenSelect(true, trained);
    expect(config && capacityOf(config)).toBe(trained / 2);
  });

  it('are what a page asks for, as far as it does', () => {
    expect(chooseTokenSelect({ selected: 700, similarity: 1 }, 1024)).toEqual({
      initial: 48,
      selected: 700,
      local: 192,
      similarity: 1,
    });
    expect(chooseTokenSelect(undefined, 1024)).toBeNull();
    expect(chooseTokenSelect(false, 1024)).toBeNull();
  });

  it.each([{ selected: 1000 }, { local: 1 }, { initial: 0.5 }, { similarity: 2 }])(
    'cannot be %j',
    (option) => {
      expect(() => chooseTokenSelect(option, 1024)).toThrow(
        expect.objectContaining({ code: 'invalid-argument', fix: expect.any(String) }),
      );
    },
  );

  it('leave the first token of a pass as many before it as the pass has', () => {
    expect([2, 12, 192].map((local) => passTokensOf({ local }))).toEqual([1, 5, 84]);
  });
});
