import { version } from '../../package.json';
import { VitrailError } from '../errors.ts';

/**
 * What a script of its own puts into the worker's scope, so that pages which do without it do not load it. It brings its own copies of
 * what is small (ADR 8).
 */
export interface Part {
  version: string;
}

/** Where a part is found: its name in the worker's scope, its file, and the option of `createRuntime` that says where that is. */
export interface PartPlace {
  name: string;
  file: string;
  option: string;
}

/** The worker's scope, as parts see it. */
type PartScope = { importScripts?: (url: string) => void } & Record<string, unknown>;

/** A part, loaded once. Throws `network` where `url` has none, or one of another version; `invalid-argument` where nobody says where it is. */
export async function loadPart<P extends Part>(
  place: PartPlace,
  url: string | undefined,
): Promise<P> {
  const scope = globalThis as unknown as PartScope;
  const cause = scope[place.name] ? undefined : await run(given(place, url), scope);
  const part = scope[place.name] as P | undefined;
  if (part?.version === version) return part;
  throw new VitrailError('network', `${url} is not the ${place.file} of Vitrail ${version}.`, {
    where: 'part/import',
    fix: `Serve the ${place.file} of this version there, or say where it is by ${place.option}; a Content-Security-Policy has to allow it in script-src.`,
    cause,
  });
}

/**
 * Runs a script. `import` does not hold the worker up meanwhile; `importScripts` asks again where an `import` failed before, and
 * another origin for no more than a script tag does. Gives what the last one threw.
 */
async function run(url: string, scope: PartScope): Promise<unknown> {
  try {
    await import(/* @vite-ignore */ url).catch(() => scope.importScripts?.(url));
    return undefined;
  } catch (thrown) {
    return thrown;
  }
}

function given({ file, option }: PartPlace, url: string | undefined): string {
  if (url !== undefined) return url;
  throw new VitrailError('invalid-argument', `This page does not say where ${file} is.`, {
    where: 'part/url',
    fix: `Pass ${option} to createRuntime: the address of ${file} of this version.`,
  });
}
