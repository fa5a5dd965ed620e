import { describe, expect, it } from 'vitest';
import type { MetadataValue, TensorInfo } from '../formats/header.ts';
import { type QkvUse, qkvParts } from '../kernels/qkv.ts';
import { quantFormat } from '../quant/registry.ts';
import { everything } from '../testing/linked-shaders.ts';
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

describe('a projection into narrow caches, far into a context', () => {
  const parts = (change: Partial<QkvUse>, minSubgroupSize = 32) => {
    const use: QkvUse = {
      format: quantFormat('q4_0'),
      columns: 576,
      heads: 9,
      kvHeads: 3,
      headDim: 64,
      contextLength: 8192,
      ropeDimensions: 64,
      interleaved: false,
      kv: 'f16',
      normEpsilon: 1e-5,
      bias: false,
      ragged: true,
      ...change,
    };
    return qkvParts(use, { ...everything, minSubgroupSize });
  };

  it('leaves coefficients in as many parts as workgroups share a head', () => {
    expect(parts({})).toBe(4);
    expect(parts({ columns: 2048, heads: 32, kvHeads: 8 })).toBe(2);
    expect(parts({ columns: 4096, heads: 32, kvHeads: 8, headDim: 128, ropeDimensions: 128 })).toBe(
      4,
    );
    expect(parts({ format: quantFormat('q4_k'), columns: 768 })).toBe(4);
  });

  it('does so with small subgroups, and makes whole heads without any', () => {
    expect(parts({}, 4)).toBe(4);
    expect(parts({}, 0)).toBe(1);
  });
});
