import type { Capabilities } from '../gpu/capabilities.ts';
import { defineKernel, type Kernel, type KernelVariant } from '../gpu/kernel.ts';
import type { KvCacheFormat } from '../types.ts';
import {
  addsUp,
  headShares,
  type SummandUse,
  summandBindings,
  summandOptions,
  summandParams,
  summandParamValues,
  summandParts,
  summandUnsupported,
} from './head-summand.ts';
import { headWidthsBinding, meanBinding, raggedConstants, raggedFlags } from './head-widths.ts';
import { isPacked, kvScalesBinding, packedFlags } from './kv-format.ts';
import { languageShaders } from './language-shaders.ts';
import { matrixUnsupported } from './matrix-support.ts';

/** One use of `attention`: queries [tokens, heads, headDim] over K and V caches [kvHeads, contextLength, headDim]. */
export interface AttentionUse {
  heads: number;
  kvHeads: number;
  headDim: number;
  contextLength: number;
  /** Factor on q·k. */
  scale: number;
  /** Last positions that a token sees, its own included; 0 sees all. */
  window: number;
  /** With `q8_0` and `q4_0`, `kv_scales` too (see kv-quantize). */
  kv: KvCacheFormat;
  /** For passes of many tokens. */
  many?: boolean;
  /** Tokens of the passes that it is for, at least: one of `attentionPassSizes`. */
  leastTokens?: number;
  /** `gates` [tokens, heads] multiply the heads' outputs; a head whose gate is 0 is not computed. With `many`, `head_rows` of head-rows too. */
  gated?: boolean;
  /** With `gated`: heads that are on for a token. */
  activeHeads?: number;
  /** How the output is stored; single precision by default. */
  output?: 'f32' | 'f16';
  /** `head_widths` says how wide keys and values of each KV head are: queries are coefficients (see kv-project), outputs have `mean` behind them. */
  ragged?: boolean;
  /** With `ragged`: no head of the layer keeps more than half of its keys, or of its values. */
  halfKeys?: boolean;
  halfValues?: boolean;
  /** With `ragged`, for `attention-split`: queries and the newest key come in so many parts (see qkv). */
  parts?: number;
  /** For one token: heads leave what they add to the output projection in `summands` instead of their outputs in `out`. */
  summand?: SummandUse;
}

const serialWorkgroup = 16;

function wantsSummands(use: AttentionUse): string | null {
  return addsUp(use) ? 'leaves outputs alone' : null;
}

const serial: KernelVariant<AttentionUse> = {
  name: 'serial',
  unsupported: wantsSummands,
  options: (use) => ({
    choices: { kv: use.kv },
    flags: useFlags(use),
    constants: {
      WORKGROUP: serialWorkgroup,
      HEAD_DIM_VEC4S: use.headDim / 4,
      ...raggedConstants(use),
    },
  }),
  workgroups: (use, tokens) => [Math.ceil(use.heads / serialWorkgroup), 1, tokens],
};

function cooperative(
  reduce: 'workgroup' | 'subgroup',
  workgroup: number,
): KernelVariant<AttentionUse> {
  return {
    name: `cooperative-${reduce}-${workgroup}`,
    unsupported: (use, { subgroups, workgroupInvocations }) => {
      if (workgroupInvocations < workgroup) return `needs workgroups of ${workgroup}`;
      if (reduce === 'subgroup' && !subgroups) return 'needs subgroups';
      if (addsUp(use)) return wantsSummands(use);
      return use.headDim > 4 * workgroup ? `head dimension above ${4 * workgroup}` : null;
    },
    options: (use) => ({
      choices: { kv: use.kv, reduce },
      flags: ['cooperative', ...(reduce === 'subgroup' ? ['subgroups'] : []), ...useFlags(use)],
      constants: {
        WORKGROUP: workgroup,
        HEAD_DIM_VEC4S: use.headDim / 4,
        SUMS: 1,
        ...raggedConstants(use),
      },
    }),
    workgroups: (use, tokens) => [use.heads, 1, tokens],
  };
}

/** Components of a head that an invocation of the stream variants holds. */
const streamComponents = 8;
/** Pairs of keys that it has under way at once. */
const streamPairs = 2;

/** Why a stream variant for so many heads a workgroup, which wants `more` bytes of its memory, does not run, or null. */
export function streamUnsupported(
  { headDim }: AttentionUse,
  heads: number,
  workgroup: number,
  subgroup: number,
  { minSubgroupSize, workgroupInvocations, workgroupStorageBytes }: Capabilities,
  more = 0,
): string | null {
  const lanes = headDim / streamComponents;
  const storage = (workgroup / subgroup) * heads * (headDim + 2) * 4 + more;
  if (minSubgroupSize < subgroup) return `needs subgroups of at least ${subgroup}`;
  if (workgroupInvocations < workgroup) return `needs workgroups of ${workgroup}`;
  if (![2, 4, 8, 16, 32].includes(lanes) || lanes > subgroup) return `no head of ${headDim}`;
  return storage > workgroupStorageBytes ? `needs ${storage} bytes of workgroup memory` : null;
}

/** Halves and what is smaller is read eight at once, where rows are multiples of that. */
export function streamFlags(use: AttentionUse): string[] {
  const { kv, ragged, headDim, halfKeys, halfValues } = use;
  const areEights = kv !== 'f32' && (!ragged || headDim % raggedUnit === 0);
  // Those of packed caches have scales, which keys and values share.
  const areWhole = !isPacked(kv);
  return [
    'stream',
    'subgroups',
    ...(areEights ? ['eights'] : []),
    ...(areWhole && halfKeys ? ['half_keys'] : []),
    ...(areWhole && halfValues ? ['half_values'] : []),
  ];
}

export function streamConstants(
  use: AttentionUse,
  heads: number,
  workgroup: number,
  subgroup: number,
  pairs: number = streamPairs,
): Record<string, number> {
  return {
    WORKGROUP: workgroup,
    SUBGROUP: subgroup,
    LANES: use.headDim / streamComponents,
    HEADS: heads,
    PAIRS: pairs,
    ...raggedConstants(use),
  };
}

function stream(workgroup: number, subgroup: number): KernelVariant<AttentionUse> {
  return {
    name: `stream-${subgroup}x${workgroup / subgroup}`,
    unsupported: (use, capabilities) =>
      (addsUp(use) && isPacked(use.kv) ? 'decodes weights or a cache' : null) ??
      summandUnsupported(use, capabilities) ??
      streamUnsupported(use, 1, workgroup, subgroup, capabilities),
    options: (use) => {
      const { choices, flags, constants } = summandOptions(use);
      return {
        choices: { kv: use.kv, ...choices },
        flags: [...streamFlags(use), ...useFlags(use), ...flags],
        constants: { ...streamConstants(use, 1, workgroup, subgroup), ...constants },
      };
    },
    workgroups: (use, tokens) => [
      use.heads,
      summandParts(use, workgroup),
      use.summand?.shared ? headShares : tokens,
    ],
  };
}

/** Twelve subgroups leave each invocation more registers; 16 take half of a working set of 1,024 keys, which two workgroups share, in two turns. */
function streamOf({ summand }: AttentionUse): string {
  return summand?.shared ? 'stream-32x16' : 'stream-32x12';
}

/** Widths are multiples of an eighth of a head, which has to be a multiple of eight halves. */
const raggedUnit = 64;
/** Edge of the fragments that subgroups multiply. */
const fragment = 16;
const subgroupSize = 32;

interface MatrixShape {
  /** Subgroups that share the tokens of a tile. */
  rowSubgroups: number;
  /** Fragments of 16 tokens of each. */
  rowFragments: number;
  /** Sets of subgroups that share the keys of a block, 16 each. */
  parts: number;
}

/** Keys and values of a block; of each row by a part of the keys its scores and probabilities, and what they are relative to with their sum; what failed, and the tile. */
function matrixBytes(headDim: number, rows: number, parts: number): number {
  const tiles = 2 * fragment * (headDim + 8) * 2;
  const scores = rows * (fragment * 6 + 8);
  return parts * (tiles + scores) + 12;
}

/** Tiles of tokens × keys. */
function matrix({ rowSubgroups, rowFragments, parts }: MatrixShape): KernelVariant<AttentionUse> {
  const rows = rowSubgroups * rowFragments * fragment;
  const workgroup = rowSubgroups * parts * subgroupSize;
  return {
    name: `matrix-${rows}x${parts * fragment}`,
    unsupported: (use, capabilities) => {
      if (use.kv !== 'f16') return 'reads halves';
      if (addsUp(use)) return wantsSummands(use);
      if (use.headDim % fragment !== 0 || use.headDim > 128)
        return `head dimensions that are multiples of ${fragment} up to 128 only`;
      if (use.ragged && use.headDim % raggedUnit !== 0) return 'reads eight halves at once';
      const bytes = matrixBytes(use.headDim, rows, parts);
      if (bytes > capabilities.workgroupStorageBytes)
        return `needs ${bytes} bytes of workgroup memory`;
      return matrixUnsupported(capabilities);
    },
    options: (use) => ({
      choices: { kv: use.kv },
      flags: ['matrix', 'eights', 'f16', 'subgroups', 'subgroup_matrix', ...useFlags(use)],
      constants: {
        WORKGROUP: workgroup,
        ROW_SUBGROUPS: rowSubgroups,
        ROW_FRAGMENTS: rowFragments,
        KEY_PARTS: parts,
        EDGE: fragment,
        DIM_FRAGMENTS: use.headDim / fragment,
        KEY_LOADS: Math.ceil((parts * fragment * use.headDim) / 8 / workgroup),
        ...raggedConstants(use),
      },
    }),
    workgroups: (use, tokens) => [use.heads, 1, Math.ceil(tokens / rows)],
  };
}

/** From so many tiles of 64 tokens on, heads that are on times tokens, a pass gains by larger ones; see `matrixTile`. */
const tilesFrom = { some: 350, many: 800 } as const;
const tokensOfTile = 64;

/** Passes of fewer tokens than the next of these have the same tiles. */
export function attentionPassSizes({ heads, activeHeads = heads }: AttentionUse): number[] {
  return [0, ...Object.values(tilesFrom)].map((tiles) =>
    Math.ceil((tiles * tokensOfTile) / activeHeads),
  );
}

/**
 * Tiles by heads and tokens of the pass, measured on an H200, whose multiprocessors have 48 KiB of workgroup memory for all their
 * workgroups. Two fragments of tokens a subgroup share what it reads of keys and values; where there are few tiles, small ones and two sets
 * of subgroups that share the keys leave fewer multiprocessors without work.
 */
function matrixTile({
  heads,
  activeHeads = heads,
  headDim,
  leastTokens = 0,
}: AttentionUse): string {
  const tiles = (activeHeads * leastTokens) / tokensOfTile;
  if (tiles >= tilesFrom.many) return 'matrix-128x16';
  return tiles >= tilesFrom.some && headDim <= 64 ? 'matrix-64x32' : 'matrix-32x32';
}

/** Invocations of the tiled variant: row sets of tokens and key sets of four keys each. */
const rowSets = 16;
const keySets = 8;
const keysEach = 4;

const tiled: KernelVariant<AttentionUse> = {
  name: 'tiled',
  unsupported: (use, { workgroupInvocations, workgroupStorageBytes }) => {
    if (addsUp(use)) return wantsSummands(use);
    if (use.headDim % (4 * keySets) !== 0 || use.headDim > 128)
      return `head dimensions that are multiples of ${4 * keySets} up to 128 only`;
    const workgroup = rowSets * keySets;
    if (workgroupInvocations < workgroup) return `needs workgroups of ${workgroup}`;
    const rows = rowSets * tiledRows(use);
    const bytes = 4 * ((rows + keySets * keysEach) * use.headDim + rows * keySets * keysEach);
    return workgroupStorageBytes < bytes ? `needs ${bytes} bytes of workgroup memory` : null;
  },
  options: (use) => ({
    choices: { kv: use.kv },
    flags: ['tiled', ...useFlags(use)],
    constants: {
      HEAD_DIM_VEC4S: use.headDim / 4,
      ROWS_EACH: tiledRows(use),
      KEYS_EACH: keysEach,
      DIM_TURNS: use.headDim / 4 / keySets,
      LOADS: (keysEach * use.headDim) / 4 / rowSets,
      ...raggedConstants(use),
    },
  }),
  workgroups: (use, tokens) => [use.heads, 1, Math.ceil(tokens / (rowSets * tiledRows(use)))],
};

/** Tokens of an invocation: as many as let queries, a block and its scores share 32 KiB for heads of 64. */
function tiledRows({ headDim }: AttentionUse): number {
  return headDim <= 64 ? 4 : 2;
}

function useFlags(use: AttentionUse): string[] {
  return [
    ...(use.output === 'f16' ? ['half_output'] : []),
    ...(use.gated ? ['gated'] : []),
    ...(isByHead(use) ? ['by_head'] : []),
    ...packedFlags(use),
    ...raggedFlags(use),
  ];
}

/** Does each head take the tokens of a pass in an order of its own? */
function isByHead({ gated = false, many = false }: AttentionUse): boolean {
  return gated && many;
}

/** Causal attention of the tokens of a pass over the cache. */
export const attention: Kernel<AttentionUse> = defineKernel<AttentionUse>({
  name: 'attention',
  library: languageShaders,
  shader: 'attention/attention',
  params: {
    heads: 'u32',
    group_size: 'u32',
    context_length: 'u32',
    window: 'u32',
    scale_log2e: 'f32',
    ...summandParams,
  },
  paramValues: (use) => ({
    ...summandParamValues(use),
    heads: use.heads,
    group_size: use.heads / use.kvHeads,
    context_length: use.contextLength,
    window: use.window,
    scale_log2e: use.scale * Math.LOG2E,
  }),
  bindings: [
    { name: 'state', type: 'State', access: 'read' },
    { name: 'queries', type: 'array<vec4<f32>>', access: 'read' },
    { name: 'k_cache', type: 'array<Cached>', access: 'read' },
    { name: 'v_cache', type: 'array<Cached>', access: 'read' },
    kvScalesBinding,
    { name: 'out', type: 'array<Output>', access: 'read_write', when: (use) => !addsUp(use) },
    { name: 'gates', type: 'array<f32>', access: 'read', when: (use) => use.gated === true },
    { name: 'head_rows', type: 'array<u32>', access: 'read', when: isByHead },
    headWidthsBinding,
    meanBinding,
    ...summandBindings,
  ],
  variants: [
    serial,
    cooperative('workgroup', 128),
    cooperative('subgroup', 128),
    stream(384, 32),
    stream(512, 32),
    // For subgroups of 4, which software adapters have: chosen where heads are projected alone, checked everywhere.
    stream(64, 4),
    matrix({ rowSubgroups: 2, rowFragments: 1, parts: 2 }),
    matrix({ rowSubgroups: 2, rowFragments: 2, parts: 2 }),
    matrix({ rowSubgroups: 4, rowFragments: 2, parts: 1 }),
    tiled,
  ],
  preferred: (use, { software }) => {
    if (software) return ['serial'];
    return [
      ...(use.many ? [matrixTile(use), 'tiled'] : [streamOf(use)]),
      'cooperative-subgroup-128',
      'cooperative-workgroup-128',
      'stream-4x16',
    ];
  },
});
