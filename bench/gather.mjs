/** Gathers files in a folder that travels to a GPU host. */
import { cpSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '..');
const ort = 'node_modules/onnxruntime-web/dist';

/** The library that a page loads, and onnxruntime-web: where each file lies here, by where it lies in the folder. */
export const libraryFiles = {
  'dist/vitrail.iife.js': 'dist/vitrail.iife.js',
  'dist/vitrail.worker.js': 'dist/vitrail.worker.js',
  'dist/vitrail.text.js': 'dist/vitrail.text.js',
};
export const onnxruntimeFiles = {
  'peers/ort.webgpu.bundle.min.mjs': `${ort}/ort.webgpu.bundle.min.mjs`,
  'peers/ort-wasm-simd-threaded.asyncify.mjs': `${ort}/ort-wasm-simd-threaded.asyncify.mjs`,
  'peers/ort-wasm-simd-threaded.asyncify.wasm': `${ort}/ort-wasm-simd-threaded.asyncify.wasm`,
};

/**
 * Fills the folder anew. Throws where the library is not built.
 * @param {Record<string, string>} files
 * @param {string} out
 */
export function gather(files, out) {
  if (!existsSync(resolve(root, 'dist/vitrail.iife.js')))
    throw new Error('dist/ is missing: run `npm run build` first.');
  rmSync(out, { recursive: true, force: true });
  for (const [packed, source] of Object.entries(files)) {
    const target = join(out, packed);
    mkdirSync(dirname(target), { recursive: true });
    cpSync(resolve(root, source), target, { recursive: true });
  }
}
