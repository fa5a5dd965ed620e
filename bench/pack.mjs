/**
 * `npm run bench:pack`: gathers in .carry/bench what the bench needs beside this repository's tracked files, for a GPU host without
 * network: the built library, the peers and the commit. About 40 MB. With --frames, in .carry/frames what `bench:frames` needs.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { packFrames } from './frames/pack-frames.mjs';
import { gather, libraryFiles, onnxruntimeFiles } from './gather.mjs';

const root = resolve(import.meta.dirname, '..');
const out = resolve(root, '.carry/bench');
const wllama = 'node_modules/@wllama/wllama/esm';
const spark = 'node_modules/@sparkjsdev/spark/dist';
const three = 'node_modules/three';

/** Where each file lies here, by where it lies in the pack. */
const packedFiles = {
  ...libraryFiles,
  'dist/vitrail.splats.js': 'dist/vitrail.splats.js',
  'dist/models': 'models',
  ...onnxruntimeFiles,
  'peers/wllama.js': `${wllama}/index.js`,
  'peers/wllama.wasm': `${wllama}/wasm/wllama.wasm`,
  'peers/spark.js': `${spark}/spark.module.min.js`,
  'peers/three.module.js': `${three}/build/three.module.js`,
  'peers/three.core.js': `${three}/build/three.core.js`,
  'peers/three/postprocessing/Pass.js': `${three}/examples/jsm/postprocessing/Pass.js`,
};

/** Where each file of the pack is served from: what it was gathered from, on a host the pack. */
export function filesOfPack() {
  const isHere = existsSync(resolve(root, 'node_modules'));
  return Object.fromEntries(
    Object.entries(packedFiles).map(([packed, source]) => [
      `/${packed}`,
      isHere ? resolve(root, source) : resolve(out, packed),
    ]),
  );
}

/** Gathers the files anew. Throws where the library is not built. */
export function pack() {
  gather(packedFiles, out);
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
