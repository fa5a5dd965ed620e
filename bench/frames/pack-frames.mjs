/** What `bench:frames` needs beside tracked files, for hosts without network and build tools: `npm run bench:pack -- --frames`. */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { gather, libraryFiles, onnxruntimeFiles } from '../gather.mjs';

const root = resolve(import.meta.dirname, '../..');
export const framesPack = '.carry/frames';

const files = {
  ...libraryFiles,
  'dist/vitrail.vision.js': 'dist/vitrail.vision.js',
  ...onnxruntimeFiles,
};

/** Gathers the files anew, 50 MB. The library must be built, and Python have PyTorch and onnx. */
export async function packFrames() {
  const out = resolve(root, framesPack);
  gather(files, out);
  writeFileSync(join(out, 's.json'), JSON.stringify(await shapesOf('s')));
  cpSync(await networkScript(), join(out, 'network.js'));
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

/** The script of `network-alone.ts`: from the pack, or built now. */
export async function networkScript() {
  const packed = resolve(root, framesPack, 'network.js');
  if (existsSync(packed)) return packed;
  const { runnerImport } = await import('vite');
  const { module } = await runnerImport(resolve(root, 'scripts/build/build-values.ts'));
  const { code } = await module.bundleScript('bench/frames/network-alone.ts', { minify: false });
  const file = join(mkdtempSync(join(tmpdir(), 'frames-')), 'network.js');
  writeFileSync(file, code);
  return file;
}
