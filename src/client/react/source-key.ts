import type { Source } from '../../types.ts';

/** Equal for sources that mean the same model, so that an inline `{ repo, file }` does not load anew on each render. */
export function sourceKey(source: Source | undefined): unknown {
  if (source instanceof URL) return source.href;
  if (typeof source !== 'object' || !('repo' in source)) return source;
  return `hf:${source.repo}/${source.file}@${source.revision ?? ''}`;
}
