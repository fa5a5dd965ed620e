import { describe, expect, it } from 'vitest';
import type { MetadataValue, TensorInfo } from '../formats/header.ts';
import { chooseMatryoshka } from './matryoshka.ts';

const shape = { numHiddenLayers: 2, numKeyValueHeads: 2, headDim: 64 };
const metadata = new Map<string, MetadataValue>([
  ['vitrail.matryoshka.budgets', Float32Array.of(0.5, 0.375)],
  ['vitrail.matryoshka.widths.50', Uint32Array.of(24, 32, 40, 32, 16, 32, 48, 32)],
  ['vitrail.matryoshka.widths.37_5', Uint32Array.of(16, 24, 32, 24, 8, 24, 40, 24)],
]);

function choose(option: unknown, change: [string, MetadataValue][] = [], tensors: string[] = []) {
  const header = {
    metadata: new Map([...metadata, ...change]),
    tensors: new Map(tensors.map((name) => [name, {} as TensorInfo])),
  };
  return chooseMatryoshka(header, shape, option as { budget: number });
}

describe('the widths of MatryoshkaKV', () => {
  it('are off unless asked for', () => {
    expect(choose(undefined)).toBeNull();
    expect(choose(false)).toBeNull();
  });

  it('are those of the nearest budget at or below', () => {
    expect(choose({ budget: 0.5 })?.widths).toEqual([
      [
        { keys: 24, values: 40 },
        { keys: 32, values: 32 },
      ],
      [
        { keys: 16, values: 48 },
        { keys: 32, values: 32 },
      ],
    ]);
    expect(choose({ budget: 1 })?.budget).toBe(0.5);
    expect(choose({ budget: 0.49 })?.budget).toBe(0.375);
    expect(choose({ budget: 0.375 })?.widths[1]?.[0]).toEqual({ keys: 8, values: 40 });
  });

  it('are refused where the file has none, or they do not fit', () => {
    const code = (option: unknown, change?: [string, MetadataValue][], tensors?: string[]) => {
      try {
        choose(option, change, tensors);
      } catch (thrown) {
        return (thrown as { code: string }).code;
      }
      return null;
    };
    expect(code({ budget: 0.3 })).toBe('invalid-argument');
    expect(code({ budget: 0 })).toBe('invalid-argument');
    expect(code({ budget: '1' })).toBe('invalid-argument');
    expect(code({ budget: 0.5 }, [['vitrail.matryoshka.budgets', 'none']])).toBe(
      'invalid-argument',
    );
    expect(code({ budget: 0.5 }, [['vitrail.matryoshka.widths.50', Uint32Array.of(24)]])).toBe(
      'model-corrupt',
    );
    expect(code({ budget: 0.5 }, [], ['blk.0.attn_v_basis.weight'])).toBe('model-unsupported');
    const odd = Uint32Array.of(20, 32, 40, 32, 16, 32, 48, 32);
    expect(code({ budget: 0.5 }, [['vitrail.matryoshka.widths.50', odd]])).toBe('model-corrupt');
  });
});
