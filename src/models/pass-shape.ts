import { type BufferRange, type Dispatch, noWorkgroups } from '../gpu/gpu.ts';

/** Bytes of a token in the buffers of a pass. */
export interface TokenBytes {
  /** What every token of the pass has to itself. */
  kept: number;
  /** What products of the whole pass leave, one behind the other, in one buffer. */
  products: number;
  /** Gates and ups, in the same buffer: activated and used up slab by slab. */
  gateUp: number;
}

/** Tokens of a pass at most, and of a slab of it. */
export interface PassShape {
  rows: number;
  slabRows: number;
}

export interface PassLimits {
  /** Tokens of a pass at most. */
  rows: number;
  /** Bytes of all buffers of a pass. */
  bytes: number;
  /** Bytes of one buffer. */
  bufferBytes: number;
  /** Fewer tokens leave a GPU without work: no slab is smaller than this, unless the pass is. */
  slabRows: number;
}

const passStep = 32;
/** Tokens of the largest tiles of products: no tile reaches into the next slab. */
const slabStep = 128;

/**
 * The longest pass within these limits, in as few slabs as that takes: gates and ups are the widest thing that a layer makes, and need not
 * be there for all tokens at once.
 */
export function shapeOfPass(bytes: TokenBytes, limits: PassLimits): PassShape {
  let best = longestPass(bytes, limits, 1);
  for (let slabs = 2; best.rows < limits.rows && slabs * slabStep <= limits.rows; slabs += 1) {
    const shape = longestPass(bytes, limits, slabs);
    if (shape.slabRows < limits.slabRows) break;
    if (shape.rows > best.rows) best = shape;
  }
  return best;
}

/** In slabs of a number, about as long as each other. A few tokens are given, whatever they take. */
function longestPass(bytes: TokenBytes, limits: PassLimits, slabs: number): PassShape {
  const shapeOf = (rows: number): PassShape => ({
    rows,
    slabRows: slabs === 1 ? rows : Math.ceil(rows / slabs / slabStep) * slabStep,
  });
  let rows = limits.rows;
  while (rows > passStep && !fits(bytes, limits, shapeOf(rows))) {
    rows = (Math.ceil(rows / passStep) - 1) * passStep;
  }
  return shapeOf(rows);
}

function fits(bytes: TokenBytes, limits: PassLimits, shape: PassShape): boolean {
  const products = productBytes(bytes, shape);
  return products <= limits.bufferBytes && shape.rows * bytes.kept + products <= limits.bytes;
}

/** Bytes of the buffer that products leave their results in. */
export function productBytes(
  { products, gateUp }: Pick<TokenBytes, 'products' | 'gateUp'>,
  { rows, slabRows }: PassShape,
): number {
  return Math.max(rows * products, slabRows * gateUp);
}

/** Tokens of a pass from `first` on. */
export interface Slab {
  first: number;
  rows: number;
}

export function slabsOf({ rows, slabRows }: PassShape): Slab[] {
  return Array.from({ length: Math.ceil(rows / slabRows) }, (_, i): Slab => {
    const first = i * slabRows;
    return { first, rows: Math.min(slabRows, rows - first) };
  });
}

/** A slab's part of a buffer that has `bytes` for each token of a pass. */
export function partOf(buffer: GPUBuffer, { first, rows }: Slab, bytes: number): BufferRange {
  return { buffer, offset: first * bytes, size: rows * bytes };
}

/** A dispatch that works on a slab, bound to its part of the buffers; passes that end before it leave it out. */
export async function forSlab(prepared: Promise<Dispatch>, slab: Slab): Promise<Dispatch> {
  const dispatch = await prepared;
  return {
    ...dispatch,
    workgroups: (tokens) =>
      tokens > slab.first
        ? dispatch.workgroups(Math.min(tokens - slab.first, slab.rows))
        : noWorkgroups,
  };
}
