/** What the build fills in (scripts/build/build-values.ts). */
declare module 'virtual:vitrail-worker' {
  /** The text of a classic script that runs workers/runtime.worker.ts. */
  export function workerSource(): string;
}

declare module 'virtual:vitrail-embedded' {
  /** File name of the first entry of models/index.json, or null where there is none. */
  export const embeddedModelFile: string | null;
  /** Where vitrail.splats.js is: beside the script that runs. Undefined where no script has an address (SSR). */
  export const splatsPartUrl: string | undefined;
  /** Its address: beside the script that runs. Undefined where no script has an address (SSR). */
  export const embeddedModelUrl: string | undefined;
  /** Likewise for the detector of models/index.json. */
  export const embeddedDetectorFile: string | null;
  export const embeddedDetectorUrl: string | undefined;
  /** The address of vitrail.vision.js, likewise. */
  export const visionScriptUrl: string | undefined;
}
