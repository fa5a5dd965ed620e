/**
 * `npm run bench:pack`: gathers in .carry/bench what the bench needs beside this repository's tracked files, for a GPU host without
 * network: the built library, the peers and the commit. About 40 MB. With --frames, in .carry/frames what `bench:frames` needs.
 */
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { packFrames } from './frames/pack-frames.mjs';

const root = resolve(import.meta.dirname, '..');
const out = resolve(root, '.carry/bench');
const ort = 'node_modules/onnxruntime-web/dist';
const wllama = 'node_modules/@wllama/wllama/esm';
const spark = 'node_modules/@sparkjsdev/spark/dist';
const three = 'node_modules/three';

/** Where each file lies here, by where it lies in the pack. */
export const packedFiles = {
  'dist/vitrail.iife.js': 'dist/vitrail.iife.js',
  'dist/vitrail.worker.js': 'dist/vitrail.worker.js',
  'dist/vitrail.splats.js': 'dist/vitrail.splats.js',
  'dist/models': 'models',
  'peers/ort.webgpu.bundle.min.mjs': `${ort}/ort.webgpu.bundle.min.mjs`,
  'peers/ort-wasm-simd-threaded.asyncify.mjs': `${ort}/ort-wasm-simd-threaded.asyncify.mjs`,
  'peers/ort-wasm-simd-threaded.asyncify.wasm': `${ort}/ort-wasm-simd-threaded.asyncify.wasm`,
  'peers/wllama.js': `${wllama}/index.js`,
  'peers/wllama.wasm': `${wllama}/wasm/wllama.wasm`,
  'peers/spark.js': `${spark}/spark.module.min.js`,
  'peers/three.module.js': `${three}/build/three.module.js`,
  'peers/three.core.js': `${three}/build/three.core.js`,
  'peers/three/postprocessing/Pass.js': `${three}/examples/jsm/postprocessing/Pass.js`,
};

/** Gathers the files anew. Throws where the library is not built. */
export function pack() {
  if (!existsSync(resolve(root, 'dist/vitrail.iife.js')))
    throw new Error('dist/ is missing: run `npm run build` first.');
  rmSync(out, { recursive: true, force: true });
  for (const [packed, source] of Object.entries(packedFiles)) {
    const target = join(out, packed);
    mkdirSync(dirname(target), { recursive: true });
    cpSync(resolve(root, source), target, { recursive: true });
  }
  const options = { cwd: root, encoding: 'utf8' };
  writeFileSync(
    join(out, 'commit'),
    execFileSync('git', ['rev-parse', '--short', 'HEAD'], options),
  );
  return out;
}

function sizeOf(path) {
  const stats = statSync(path);
  if (!stats.isDirectory()) return stats.size;
  return readdirSync(path).reduce((sum, name) => sum + sizeOf(join(path, name)), 0);
}

if (basename(process.argv[1] ?? '') === 'pack.mjs') {
  const folder = process.argv.includes('--frames') ? await packFrames() : pack();
  console.log(`${folder}: ${(sizeOf(folder) / 2 ** 20).toFixed(1)} MiB`);
}
