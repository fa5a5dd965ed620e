/**
 * Compiles every linked shader with Dawn's Null backend, which has all features and no GPU: the variants of tiers A and B are
 * type-checked on machines that cannot run them, as `shaders/__snapshots__` has them and linked from the minified modules of the bundle.
 * A compile check, never a test. See ADR 0004.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { runnerImport } from 'vite';
import { create, globals } from 'webgpu';

const folder = resolve(import.meta.dirname, '../shaders/__snapshots__');
const extensions = ['shader-f16', 'subgroups', 'chromium-experimental-subgroup-matrix'];

Object.assign(globalThis, globals);
// Kept here: Dawn goes down with the object that opened it, which the garbage collector would take.
const gpu = create(['backend=null', 'enable-dawn-features=allow_unsafe_apis']);
const device = await openNullDevice();
const names = readdirSync(folder).filter((name) => name.endsWith('.wgsl'));
const problems = [];
for (const name of names) {
  problems.push(...(await problemsOf(name, readFileSync(resolve(folder, name), 'utf8'))));
}
const bundled = await bundledShaders();
for (const [name, code] of bundled) problems.push(...(await problemsOf(`minified ${name}`, code)));
for (const problem of problems) console.error(problem);
console.log(
  `shaders: ${names.length} and ${bundled.size} minified compiled, ${problems.length} problems`,
);
// Dawn keeps the process alive as long as there is a device.
process.exit(problems.length === 0 && names.length > 0 && bundled.size > 0 ? 0 : 1);

/** By name, what a page's GPU gets: the linker joins modules that were minified one by one. */
async function bundledShaders() {
  const { module: minify } = await runnerImport(
    resolve(import.meta.dirname, 'build/minify-wgsl.ts'),
  );
  const { module } = await runnerImport(
    resolve(import.meta.dirname, '../src/testing/linked-shaders.ts'),
    { plugins: [minify.minifyWgslImports()] },
  );
  return module.linkedShaders();
}

async function openNullDevice() {
  const adapter = await gpu.requestAdapter();
  if (!adapter) throw new Error("Dawn's Null backend gave no adapter.");
  const missing = extensions.filter((name) => !adapter.features.has(name));
  if (missing.length > 0) throw new Error(`Dawn's Null backend lacks ${missing.join(', ')}.`);
  return adapter.requestDevice({
    requiredFeatures: extensions,
    requiredLimits: {
      maxStorageBuffersPerShaderStage: adapter.limits.maxStorageBuffersPerShaderStage,
      maxComputeWorkgroupStorageSize: adapter.limits.maxComputeWorkgroupStorageSize,
      maxComputeInvocationsPerWorkgroup: adapter.limits.maxComputeInvocationsPerWorkgroup,
    },
  });
}

/** What the compiler says of a file, as `name:line:column message`. A pipeline is made too: some rules hold only there. */
async function problemsOf(name, code) {
  device.pushErrorScope('validation');
  const module = device.createShaderModule({ code });
  device.createComputePipeline({ layout: 'auto', compute: { module, entryPoint: 'main' } });
  const [invalid, { messages }] = await Promise.all([
    device.popErrorScope(),
    module.getCompilationInfo(),
  ]);
  const said = messages
    .filter(({ type }) => type !== 'info')
    .map(({ lineNum, linePos, message }) => `${name}:${lineNum}:${linePos} ${message}`);
  // The Null backend has the smallest limits of all; variants that need more say so in `unsupported`.
  const onlyLimit =
    /total use of workgroup storage|workgroup_size.* exceeds the maximum allowed/.test(
      invalid?.message ?? '',
    );
  return said.length === 0 && invalid && !onlyLimit ? [`${name}: ${invalid.message}`] : said;
}
