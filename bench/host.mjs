/**
 * `npm run bench:host`: the whole bench on a GPU host without network, from this repository's files and what `bench:pack` gathered:
 * for each shape the peers on the same weights, then Vitrail alone with its profile. bench/README.md says how to get there.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';

const { values: options } = parseArgs({
  options: {
    shapes: { type: 'string', default: 'smol135,qwen05,llama1b,llama8b' },
    prompts: { type: 'string', default: '128,512,2048' },
    long: { type: 'string', default: '128,2048,8192' },
    tokens: { type: 'string', default: '128' },
    rounds: { type: 'string', default: '3' },
    tiers: { type: 'string', default: 'A' },
    models: { type: 'string', default: '.carry/models' },
    history: { type: 'string', default: 'bench/history' },
    'no-append': { type: 'boolean', default: false },
    software: { type: 'boolean', default: false },
  },
});
const root = resolve(import.meta.dirname, '..');
const dist = existsSync(resolve(root, '.carry/bench/dist')) ? '.carry/bench/dist' : 'dist';
const common = [
  ...['--tokens', options.tokens, '--history', resolve(options.history)],
  ...(options.software ? [] : ['--gpu']),
  ...(options['no-append'] || options.software ? [] : ['--append']),
];
let failed = false;
for (const shape of options.shapes.split(',')) {
  const peers = ['--shapes', shape, '--prompts', options.prompts, '--rounds', options.rounds];
  run('bench/peers/run.mjs', [...peers, '--models', options.models]);
  const model = resolve(root, options.models, `${shape}.gguf`);
  const alone = ['--model', model, '--dist', dist, '--prompts', options.long, '--profile'];
  run('scripts/bench.mjs', [...alone, '--runs', options.rounds, '--tiers', options.tiers]);
}
process.exit(failed ? 1 : 0);

/** A run that fails does not keep the others from running. */
function run(script, parameters) {
  const all = [resolve(root, script), ...parameters, ...common];
  const { status } = spawnSync(process.execPath, all, { cwd: root, stdio: 'inherit' });
  if (status === 0) return;
  failed = true;
  console.error(`${script} ended with ${status}`);
}
