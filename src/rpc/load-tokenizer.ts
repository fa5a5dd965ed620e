import { VitrailError } from '../errors.ts';
import { loadPart } from '../runtime/part.ts';
import { type TextPart, textPlace } from '../runtime/text-part.ts';
import { RemoteFile } from '../storage/download.ts';
import { type Location, locate } from '../storage/source.ts';
import { openModel } from '../storage/weight-store.ts';
import type { WireSource } from './contract.ts';

const jsonStart = '{'.charCodeAt(0);

/**
 * The tokenizer definition of a `tokenizer.json` (with the `tokenizer_config.json` beside it where there is one) or of a
 * model file; its weights are not read. `textUrl` is where vitrail.text.js is. Throws `network`, `model-corrupt`, `tokenizer-unsupported`.
 */
export async function loadTokenizerDefinition(
  source: WireSource,
  signal: AbortSignal,
  textUrl?: string,
): Promise<object> {
  const text = await loadPart<TextPart>(textPlace, textUrl);
  const json = await readTokenizerJson(await locate(source, signal), signal);
  if (json) return text.tokenizerFromJson(json.tokenizer, json.config).definition;
  const model = await openModel(source, { signal, cache: false });
  return text.tokenizerOfModel(model).definition;
}

/** Null where the source is no JSON file. */
async function readTokenizerJson(
  location: Location,
  signal: AbortSignal,
): Promise<{ tokenizer: unknown; config?: unknown } | null> {
  if (location.kind === 'local') {
    const { source, name } = location;
    if (!(await startsJson(source.stream(0, 1, signal)))) return null;
    return { tokenizer: parse(await readText(source.stream(0, source.size, signal)), name) };
  }
  if (location.kind === 'stored' || !location.name.endsWith('.json')) return null;
  const tokenizer = parse(await readRemote(location.url, signal), location.name);
  const configUrl = new URL('tokenizer_config.json', location.url).href;
  const config = await readRemote(configUrl, signal)
    .then((text) => parse(text, 'tokenizer_config.json'))
    // Only special tokens and the chat template stand there; a tokenizer works without.
    .catch(() => undefined);
  return { tokenizer, config };
}

async function startsJson(firstByte: AsyncIterable<Uint8Array>): Promise<boolean> {
  for await (const piece of firstByte) return piece[0] === jsonStart;
  return false;
}

function readRemote(url: string, signal: AbortSignal): Promise<string> {
  return readText(new RemoteFile(url).stream(0, null, signal));
}

async function readText(pieces: AsyncIterable<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const piece of pieces) text += decoder.decode(piece, { stream: true });
  return text + decoder.decode();
}

function parse(text: string, name: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new VitrailError('model-corrupt', `'${name}' is no JSON.`, {
      where: 'load-tokenizer/json',
      fix: 'Check that the address leads to the file itself and not to a web page about it.',
      cause,
    });
  }
}
