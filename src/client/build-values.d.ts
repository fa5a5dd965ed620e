/** What the build fills in (scripts/build/build-values.ts). */
declare module 'virtual:vitrail-worker' {
  /** The text of a classic script that runs workers/runtime.worker.ts. */
  export function workerSource(): string;
}

declare module 'virtual:vitrail-embedded' {
  /** File names of what models/index.json has first, or null where there is none. */
  export const embeddedFiles: Record<'model' | 'detector' | 'avatar', string | null>;
  /** Their addresses: beside the script that runs. Undefined where no script has an address (SSR). */
  export const embeddedUrls: Record<'model' | 'detector' | 'avatar', string | undefined>;
  /** The addresses of vitrail.vision.js, vitrail.splats.js and vitrail.text.js, likewise. */
  export const partUrls: Record<'vision' | 'splats' | 'text', string | undefined>;
}
