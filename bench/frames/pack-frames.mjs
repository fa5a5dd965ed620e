/** What `bench:frames` needs beside tracked files, for hosts without network and build tools: `npm run bench:pack -- --frames`. */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '../..');
const ort = 'node_modules/onnxruntime-web/dist';
export const framesPack = '.carry/frames';

const files = {
  'dist/vitrail.iife.js': 'dist/vitrail.iife.js',
  'dist/vitrail.worker.js': 'dist/vitrail.worker.js',
  'dist/vitrail.vision.js': 'dist/vitrail.vision.js',
  'peers/ort.webgpu.bundle.min.mjs': `${ort}/ort.webgpu.bundle.min.mjs`,
  'peers/ort-wasm-simd-threaded.asyncify.mjs': `${ort}/ort-wasm-simd-threaded.asyncify.mjs`,
  'peers/ort-wasm-simd-threaded.asyncify.wasm': `${ort}/ort-wasm-simd-threaded.asyncify.wasm`,
};

/** Gathers the files anew, 50 MB. The library must be built, and Python have PyTorch and onnx. */
export async function packFrames() {
  const out = resolve(root, framesPack);
  rmSync(out, { recursive: true, force: true });
  for (const [packed, source] of Object.entries(files)) {
    const target = join(out, packed);
    mkdirSync(dirname(target), { recursive: true });
    cpSync(resolve(root, source), target);
  }
  writeFileSync(join(out, 's.json'), JSON.stringify(await shapesOf('s')));
  for (const half of [false, true]) {
    const weights = resolve(root, 'models/a-yolom-n.safetensors');
    const model = join(out, `a-yolom-n${half ? '-f16' : ''}.onnx`);
    const script = resolve(root, 'train/a_yolom/export_onnx.py');
    const given = [script, weights, model, ...(half ? ['--half'] : [])];
    execFileSync('python3', given, { stdio: ['ignore', 'inherit', 'inherit'] });
  }
  return out;
}

/** The names and shapes of a detector's weights: from the pack, or from the graph where nothing is packed. */
export async function shapesOf(size) {
  const packed = resolve(root, framesPack, `${size}.json`);
  if (existsSync(packed)) return JSON.parse(readFileSync(packed, 'utf8'));
  const { runnerImport } = await import('vite');
  const { module } = await runnerImport(resolve(root, 'bench/frames/detector-shapes.ts'));
  return module.detectorShapes(size);
}
