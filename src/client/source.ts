import { invalidArgument } from '../errors.ts';
import type { WireSource } from '../rpc/contract.ts';
import type { Source } from '../types.ts';

/**
 * A source in the form that crosses to the worker: relative URLs become absolute, since an inlined worker has no address
 * to be relative to. Throws `invalid-argument`.
 */
export function wireSource(source: Source, baseUrl: string | undefined): WireSource {
  if (typeof source === 'string') return resolveUrl(source, baseUrl);
  if (source instanceof URL) return source.href;
  if (source instanceof Blob || source instanceof ArrayBuffer) return source;
  if (typeof source === 'object' && source !== null && source.repo && source.file) {
    const { repo, file, revision } = source;
    return revision === undefined ? { repo, file } : { repo, file, revision };
  }
  throw invalidArgument(
    'client/source',
    'This is no source of a model.',
    'Pass a URL, a File or Blob, an ArrayBuffer, "hf:owner/name/file.gguf" or { repo, file }.',
  );
}

function resolveUrl(source: string, baseUrl: string | undefined): string {
  if (/^(hf|store):/.test(source)) return source;
  try {
    return new URL(source, baseUrl).href;
  } catch {
    throw invalidArgument(
      'client/source',
      `'${source}' is not a URL.`,
      'Pass an address that starts with https:// or hf:, or one relative to the page. For a local file, pass the File object.',
    );
  }
}
