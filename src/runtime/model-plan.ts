import { chooseMatryoshka } from '../attention/matryoshka.ts';
import { chooseMoh } from '../attention/moh.ts';
import { chooseTokenSelect } from '../attention/token-select-config.ts';
import { invalidArgument } from '../errors.ts';
import type { ModelHeader } from '../formats/header.ts';
import { isPacked, kvFormats, packedBlock } from '../kernels/kv-format.ts';
import { capacityOf } from '../kernels/selection-use.ts';
import type { Architecture, TransformerConfig } from '../models/config.ts';
import { architectureOf } from '../models/registry.ts';
import type { AttentionOptions, KvCacheFormat, LoadOptions } from '../types.ts';

/** Tokens of context unless the caller wants more: what most chats need, at a cache that small GPUs hold. */
const defaultContextLength = 4096;

/** What a model runs as: by its file and by what the caller asks for. */
export interface ModelPlan {
  architecture: Architecture;
  config: TransformerConfig;
  contextLength: number;
  kvCache: KvCacheFormat;
}

/** Throws `invalid-argument` for what the model cannot do. */
export function planModel(
  header: ModelHeader,
  { contextLength: wanted, attention = {} }: LoadOptions,
): ModelPlan {
  checkContextLength(wanted);
  const architecture = architectureOf(header);
  const trained = architecture.config(header, { contextLength: wanted ?? 1 });
  const { maxPositionEmbeddings } = trained;
  const contextLength = wanted ?? Math.min(maxPositionEmbeddings, defaultContextLength);
  const chosen = chooseTokenSelect(attention.tokenSelect, maxPositionEmbeddings);
  const tokenSelect = chosen && capacityOf(chosen) < contextLength ? chosen : null;
  // Of what is selected, positions never go beyond the working set.
  const positions = tokenSelect ? capacityOf(tokenSelect) : contextLength;
  const own = architecture.config(header, { contextLength: positions });
  const moh = chooseMoh(own.moh, own.numAttentionHeads, attention.moh);
  const matryoshka = chooseMatryoshka(header, own, attention.matryoshka);
  const config = { ...own, moh, tokenSelect, matryoshka };
  const { kvCache = 'f16' } = attention;
  checkKvCache(config, kvCache);
  return { architecture, config, contextLength, kvCache };
}

/** Attention methods that are not there yet are refused, not passed over. */
export function checkAttention(attention: AttentionOptions = {}): void {
  for (const [name, value] of Object.entries(attention)) {
    if (value === undefined || value === false) continue;
    if (name === 'kvCache' && kvFormats.some((format) => format === value)) continue;
    if (name === 'moh' || name === 'tokenSelect' || name === 'matryoshka') continue;
    throw invalidArgument(
      'model/load',
      `attention.${name} is ${JSON.stringify(value)}, which is not supported.`,
      `Leave it out, or give kvCache one of: ${kvFormats.join(', ')}.`,
    );
  }
}

function checkContextLength(wanted: number | undefined): void {
  if (wanted === undefined || (Number.isSafeInteger(wanted) && wanted > 0)) return;
  throw invalidArgument(
    'model/load',
    `contextLength is ${String(wanted)}.`,
    'Give contextLength a whole number of at least 1.',
  );
}

/** Caches of blocks take whole blocks; where they are narrow, eight numbers are read at once, and widths are eighths of a head. */
function checkKvCache({ headDim, matryoshka }: TransformerConfig, kvCache: KvCacheFormat): void {
  const unit = matryoshka ? 2 * packedBlock : packedBlock;
  if (!isPacked(kvCache) || headDim % unit === 0) return;
  throw invalidArgument(
    'model/load',
    `attention.kvCache ${kvCache} is for heads of a multiple of ${unit} components (here ${headDim}).`,
    matryoshka ? "Give kvCache: 'f16', or leave matryoshka out." : "Give kvCache: 'f16'.",
  );
}
