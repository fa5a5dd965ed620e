/** What the build fills in (vite.config.ts). */
declare module 'virtual:vitrail-worker' {
  /** The bundled text of workers/runtime.worker.ts: a classic script. */
  const source: string;
  export default source;
}

declare module 'virtual:vitrail-embedded' {
  /** The first entry of models/index.json, or null where there is none. */
  export const embeddedModel: { name: string; file: string; bytes: number } | null;
  /** The folder that holds it, beside the script that runs; undefined where no script has an address (SSR). */
  export const embeddedModelsUrl: string | undefined;
}
