import { basisBytes, type KeptWidths, packLayerWidths } from '../kernels/head-widths.ts';
import { isPacked } from '../kernels/kv-format.ts';
import {
  type Basis,
  packedRows,
  project,
  randomBases,
  randomWidths,
  unproject,
} from '../kernels/kv-project.ref.ts';
import { packCaches } from '../kernels/kv-quantize.ref.ts';
import type { SelectionUse } from '../kernels/selection-use.ts';
import { halfToNumber } from '../quant/half.ts';
import type { CaseData, ExpectedOutput } from './kernel-run.ts';
import type { Random } from './random.ts';
import { asHalves, roundedToHalf } from './weights.ts';

type Floats = Float32Array<ArrayBuffer>;
/** Of keys and of values, [kvHeads, contextLength, headDim]. */
type Rows = Record<keyof KeptWidths, Floats>;
type CacheName = 'k_cache' | 'v_cache';
type HeadOf = (kvHead: number) => Float64Array;

/** Caches as a buffer holds them, and their rows as they are read again. */
interface Stored {
  read: Rows;
  inputs: Record<CacheName, CaseData>;
  scales: Uint32Array<ArrayBuffer>;
}

/** The bases and means of the layer under test. */
interface Bases {
  keys: Floats;
  mean: Floats;
}

/**
 * The caches that a layer selects from, by a use's format. Narrow ones are of the second of two layers in one buffer, whose rows begin behind
 * those of the first.
 */
export class SelectedCaches {
  readonly #use: SelectionUse;
  readonly #widths: readonly KeptWidths[];
  readonly #bases: Bases | null;
  /** What is kept, before rounding. */
  readonly #rows: Rows;
  /** Of the layer before. */
  readonly #before: Stored | null;
  readonly #own: Stored;

  static random(use: SelectionUse, random: Random): SelectedCaches {
    const { kvHeads, headDim, contextLength, ragged } = use;
    const rows = (): Rows => ({
      keys: random.activations(kvHeads * contextLength * headDim),
      values: random.activations(kvHeads * contextLength * headDim),
    });
    if (!ragged) {
      const whole = { keys: headDim, values: headDim };
      return new SelectedCaches(use, Array(kvHeads).fill(whole), null, rows(), null);
    }
    const widths = randomWidths(use);
    const keys = randomBases(kvHeads, headDim, 1501);
    const bases = { keys, mean: random.activations(kvHeads * headDim) };
    const before = stored(use, othersOf(widths), rows());
    return new SelectedCaches(use, widths, bases, rows(), before);
  }

  private constructor(
    use: SelectionUse,
    widths: readonly KeptWidths[],
    bases: Bases | null,
    rows: Rows,
    before: Stored | null,
  ) {
    this.#use = use;
    this.#widths = widths;
    this.#bases = bases;
    this.#rows = rows;
    this.#before = before;
    this.#own = stored(use, widths, rows);
  }

  /** A key before rotation as it is read. */
  key(kvHead: number, token: number): Float64Array {
    const row = this.#read('keys', kvHead, token);
    return this.#bases ? unproject(this.#basisOf(kvHead), row) : row;
  }

  value(kvHead: number, token: number): Float64Array {
    const row = this.#read('values', kvHead, token);
    if (!this.#bases) return row;
    const { headDim } = this.#use;
    const whole = Float64Array.from(
      this.#bases.mean.subarray(kvHead * headDim, (kvHead + 1) * headDim),
    );
    whole.set(row.subarray(0, this.#widths[kvHead]?.values));
    return whole;
  }

  /** The same with another token at a position, whose key is not rotated. */
  with(position: number, key: HeadOf, value: HeadOf): SelectedCaches {
    const { kvHeads, headDim, contextLength } = this.#use;
    const rows = { keys: this.#rows.keys.slice(), values: this.#rows.values.slice() };
    for (let kvHead = 0; kvHead < kvHeads; kvHead += 1) {
      const at = (kvHead * contextLength + position) * headDim;
      const width = this.#widths[kvHead]?.keys ?? 0;
      const own = key(kvHead);
      rows.keys.set(this.#bases ? project(this.#basisOf(kvHead), own, width) : own, at);
      rows.values.set(value(kvHead), at);
    }
    return new SelectedCaches(this.#use, this.#widths, this.#bases, rows, this.#before);
  }

  /** By the names of bindings. */
  inputs(): Record<string, CaseData> {
    const { kv } = this.#use;
    const cache = (name: CacheName) =>
      joined([...(this.#before ? [this.#before.inputs[name]] : []), this.#own.inputs[name]]);
    return {
      k_cache: cache('k_cache'),
      v_cache: cache('v_cache'),
      ...(isPacked(kv) ? { kv_scales: this.#scales() } : {}),
      ...this.#narrowInputs(),
    };
  }

  outputs(): Record<string, ExpectedOutput> {
    const { kv } = this.#use;
    const { k_cache, v_cache } = this.inputs();
    const as = (bytes: CaseData | undefined): ExpectedOutput => {
      const { buffer } = bytes ?? new Uint8Array();
      if (kv === 'f32') return { values: Float64Array.from(new Float32Array(buffer)) };
      if (kv === 'f16')
        return { values: Float64Array.from(new Uint16Array(buffer), halfToNumber), storage: 'f16' };
      return { values: Float64Array.from(new Uint8Array(buffer)), storage: 'u8' };
    };
    return {
      k_cache: as(k_cache),
      v_cache: as(v_cache),
      ...(isPacked(kv)
        ? { kv_scales: { values: Float64Array.from(this.#scales()), storage: 'u32' } }
        : {}),
    };
  }

  #read(part: keyof KeptWidths, kvHead: number, token: number): Float64Array {
    const { headDim, contextLength } = this.#use;
    const at = (kvHead * contextLength + token) * headDim;
    return Float64Array.from(this.#own.read[part].subarray(at, at + headDim));
  }

  #scales(): Uint32Array<ArrayBuffer> {
    return Uint32Array.of(...(this.#before?.scales ?? []), ...this.#own.scales);
  }

  #basisOf(kvHead: number): Basis {
    const size = this.#use.headDim ** 2;
    return Float64Array.from(this.#bases?.keys.subarray(kvHead * size, (kvHead + 1) * size) ?? []);
  }

  #narrowInputs(): Record<string, CaseData> {
    if (!this.#bases) return {};
    const layers = [othersOf(this.#widths), this.#widths].map((kept, layer) => ({ layer, kept }));
    const packed = packLayerWidths(this.#use, layers);
    const bytes = basisBytes(this.#use);
    const all = new Uint8Array(2 * bytes.layer);
    all.set(bytesOf(asHalves(this.#bases.keys)), bytes.layer);
    all.set(bytesOf(this.#bases.mean), bytes.layer + bytes.keys);
    return { head_widths: packed.slice(packed.length / 2), basis: all };
  }
}

function othersOf(widths: readonly KeptWidths[]): KeptWidths[] {
  return widths.map(({ keys, values }) => ({ keys: values, values: keys }));
}

function stored(use: SelectionUse, widths: readonly KeptWidths[], rows: Rows): Stored {
  const { kv } = use;
  if (isPacked(kv)) {
    const { keys, values, buffers } = packCaches({ ...use, kv }, widths, rows);
    const { kv_scales: scales, ...inputs } = buffers;
    return { read: { keys, values }, inputs, scales };
  }
  const read = (part: keyof KeptWidths) => {
    const kept = rows[part].map((value, i) =>
      i % use.headDim < widthAt(use, widths, i)[part] ? value : 0,
    );
    return kv === 'f16' ? roundedToHalf(kept) : kept;
  };
  const all = { keys: read('keys'), values: read('values') };
  const cache = (part: keyof KeptWidths) => {
    const kept = packedRows(use, widths, all[part], part);
    return kv === 'f16' ? asHalves(kept) : kept;
  };
  return {
    read: all,
    inputs: { k_cache: cache('keys'), v_cache: cache('values') },
    scales: new Uint32Array(),
  };
}

function widthAt(
  { headDim, contextLength }: SelectionUse,
  widths: readonly KeptWidths[],
  component: number,
): KeptWidths {
  return widths[Math.floor(component / (headDim * contextLength))] ?? { keys: 0, values: 0 };
}

function bytesOf({ buffer, byteOffset, byteLength }: CaseData): Uint8Array<ArrayBuffer> {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

function joined(parts: readonly CaseData[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, { byteLength }) => sum + byteLength, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(bytesOf(part), at);
    at += part.byteLength;
  }
  return whole;
}
