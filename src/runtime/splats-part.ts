import { version } from '../../package.json';
import { VitrailError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { LoadOptions, Source } from '../types.ts';
import type { ServedAvatar } from './avatar-contract.ts';

/**
 * What vitrail.splats.js puts into the worker's scope: everything about splats. It is a script of its own, so that pages without avatars
 * do not load it. It shares the device with the rest and brings its own copies of what is small.
 */
export interface SplatsPart {
  version: string;
  /** Reads a file of splats and uploads it. An abort or a failure leaves nothing on the GPU. */
  openAvatar(
    gpu: Gpu,
    source: Source,
    options: Pick<LoadOptions, 'signal' | 'onProgress'>,
  ): Promise<RestorableAvatar>;
}

/** An avatar that survives the loss of the device. */
export interface RestorableAvatar extends ServedAvatar {
  restore(gpu: Gpu): Promise<void>;
}

export interface PartScope {
  vitrailSplats?: SplatsPart;
  importScripts?: (url: string) => void;
}

/** The part, loaded once. Throws `network` where `url` has none, or one of another version. */
export function splatsPart(url: string): SplatsPart {
  const scope = globalThis as PartScope;
  let cause: unknown;
  try {
    if (!scope.vitrailSplats) scope.importScripts?.(url);
  } catch (thrown) {
    cause = thrown;
  }
  const part = scope.vitrailSplats;
  if (part?.version === version) return part;
  throw new VitrailError('network', `${url} is not the part for splats of Vitrail ${version}.`, {
    where: 'splats-part/import',
    fix: 'Serve the vitrail.splats.js of this version there, or say where it is by splatsUrl; a Content-Security-Policy has to allow it in script-src.',
    cause,
  });
}
