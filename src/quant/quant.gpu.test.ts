import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { requestDevice, requireAdapter } from '../gpu/adapter.ts';
import { linkShader } from '../gpu/wgsl-linker.ts';
import { languageShaders } from '../kernels/language-shaders.ts';
import { fetchFile } from '../testing/data.ts';
import { packRows } from '../testing/weights.ts';
import { fileRowBytes, groupElements, type QuantFormat, rowLayout } from './format.ts';
import { halfToNumber } from './half.ts';
import { quantFormat, quantFormats } from './registry.ts';

const fixtureElements = 1536;
const workgroupSize = 64;

/** Decodes every group of a matrix by the format's module. */
const decodeShader = /* wgsl */ `
@group(0) @binding(0) var<storage, read> weights: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> decoded: array<array<vec4<f32>, 8>>;
//#import quant/{quant}

@compute @workgroup_size(${workgroupSize})
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x < arrayLength(&decoded)) {
    let row = id.x / GROUPS;
    decoded[id.x] = decode(load_raw(row * ROW_VECTORS, id.x % GROUPS, GROUPS * 32u));
  }
}`;

let device: GPUDevice;

beforeAll(async () => {
  device = await requestDevice(await requireAdapter());
});
afterAll(() => device.destroy());

/** The weights of a matrix in the GPU layout, rows padded to whole groups, as the GPU decodes them. */
async function decodeOnGpu(
  format: QuantFormat,
  gpuRows: Uint8Array<ArrayBuffer>,
  rows: number,
  columns: number,
): Promise<Float32Array> {
  const groups = Math.ceil(columns / groupElements);
  const { rowBytes } = rowLayout(format, columns);
  const code = linkShader({ ...languageShaders, decode: decodeShader }, 'decode', {
    choices: { quant: format.name },
    constants: { GROUPS: groups, ROW_VECTORS: rowBytes / 16 },
  });
  const pipeline = device.createComputePipeline({
    layout: 'auto',
    compute: { module: device.createShaderModule({ code }), entryPoint: 'main' },
  });
  const bytes = rows * groups * groupElements * 4;
  const { STORAGE, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;
  const weights = device.createBuffer({ size: gpuRows.byteLength, usage: STORAGE | COPY_DST });
  const decoded = device.createBuffer({ size: bytes, usage: STORAGE | COPY_SRC });
  const staging = device.createBuffer({ size: bytes, usage: COPY_DST | MAP_READ });
  device.queue.writeBuffer(weights, 0, gpuRows);
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(
    0,
    device.createBindGroup({
      layout: pipeline.getBindGroupLayout(0),
      entries: [weights, decoded].map((buffer, binding) => ({ binding, resource: { buffer } })),
    }),
  );
  pass.dispatchWorkgroups(Math.ceil((rows * groups) / workgroupSize));
  pass.end();
  encoder.copyBufferToBuffer(decoded, 0, staging, 0, bytes);
  device.queue.submit([encoder.finish()]);
  await staging.mapAsync(GPUMapMode.READ);
  const values = new Float32Array(staging.getMappedRange().slice(0));
  for (const buffer of [weights, decoded, staging]) buffer.destroy();
  return values;
}

/** Where the GPU's weights are not the file's, rounded once; the padding behind a row has to be zero. */
function differences(
  decoded: Float32Array,
  exact: Float64Array,
  rows: number,
  columns: number,
): string[] {
  const stride = decoded.length / rows;
  const found: string[] = [];
  decoded.forEach((actual, i) => {
    const column = i % stride;
    const row = Math.floor(i / stride);
    const expected = column < columns ? Math.fround(exact[row * columns + column] ?? 0) : 0;
    if (actual !== expected) found.push(`[${row}, ${column}] is ${actual}, not ${expected}`);
  });
  return found;
}

async function expectSameWeights(
  format: QuantFormat,
  file: Uint8Array,
  rows: number,
  columns: number,
): Promise<void> {
  const exact = new Float64Array(rows * columns);
  format.dequantize(file, exact);
  const decoded = await decodeOnGpu(format, packRows(format, file, rows, columns), rows, columns);
  expect(differences(decoded, exact, rows, columns)).toEqual([]);
}

/** Row lengths that a format can have: one block, and counts that leave planes and rows to be padded. */
function rowLengths({ blockElements }: QuantFormat): number[] {
  if (blockElements === 1) return [1, 33, 64, 101];
  return [blockElements, 3 * blockElements, 5 * blockElements];
}

describe('the shader of each storage format', () => {
  const cases = quantFormats.flatMap((format) =>
    rowLengths(format).map((columns) => ({ format, name: format.name, columns })),
  );

  it.each(cases)('decodes $name in rows of $columns, bit for bit', async ({ format, columns }) => {
    const rows = Math.floor(fixtureElements / columns);
    const blocks = await fetchFile(`/e2e/fixtures/quant/${format.name}.blocks.bin`);
    const file = blocks.subarray(0, rows * fileRowBytes(format, columns));
    await expectSameWeights(format, file, rows, columns);
  });

  it('decodes every finite number of half precision, subnormal ones too', async () => {
    const finite = Uint16Array.from({ length: 2 ** 16 }, (_, bits) => bits).filter((bits) =>
      Number.isFinite(halfToNumber(bits)),
    );
    const file = new Uint8Array(finite.buffer);
    await expectSameWeights(quantFormat('f16'), file, finite.length / 64, 64);
  });
});
