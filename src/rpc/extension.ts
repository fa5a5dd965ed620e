import { VitrailError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { ExtensionCall } from './contract.ts';

/**
 * A part of the runtime in a script of its own: pages that do without it never load it. It works on the one GPUDevice of the
 * worker. The script sets `vitrailExtension` when it runs.
 */
export interface RuntimeExtension {
  call(gpu: Gpu, call: ExtensionCall, signal: AbortSignal): Promise<unknown>;
}

const scope = globalThis as typeof globalThis & {
  importScripts(url: string): void;
  vitrailExtension?: RuntimeExtension;
};
const loaded = new Map<string, RuntimeExtension | undefined>();

/** Calls an extension, after its script is loaded. Throws `network` where it cannot be, and what the call throws, which may be of another script's class (`toVitrailError` takes it over). */
export async function callExtension(
  url: string,
  call: ExtensionCall,
  gpu: Gpu,
  signal: AbortSignal,
): Promise<unknown> {
  if (!loaded.has(url)) {
    try {
      scope.importScripts(url);
    } catch (cause) {
      throw new VitrailError('network', `The script ${url} could not be loaded.`, {
        where: 'extension/load',
        fix: 'Serve it beside the page’s Vitrail scripts, and allow it in the script-src of the Content-Security-Policy.',
        cause,
      });
    }
    loaded.set(url, scope.vitrailExtension);
  }
  return loaded.get(url)?.call(gpu, call, signal);
}
