import { expect, test } from 'vitest';
import { Gpu } from '../gpu/gpu.ts';
import { kernelCode } from '../gpu/kernel.ts';
import { quantFormat } from '../quant/registry.ts';
import { matvec } from './matvec.ts';
test('compile', async () => {
  const gpu = await Gpu.create();
  let n = 0;
  for (const f of ['q2_k', 'q3_k', 'iq4_nl', 'q4_0', 'q4_k','q6_k']) for (const [rows, columns] of [[128256, 2048], [4096, 14336], [14336, 4096], [8192, 2048], [128256, 4096], [151936, 896]] as const) for (const v of matvec.variants) {
    const use = { format: quantFormat(f), rows, columns, ...(rows === 14336 || rows === 8192 ? { gated: 'silu' as const, normEpsilon: 1e-5 } : {}) };
    if (rows !== 128256 && rows !== 4096 && f !== 'q4_0') continue;
    if (!/held/.test(v.name)) continue;
    const caps = { ...gpu.capabilities, minSubgroupSize: 32, maxSubgroupSize: 32, software: false, workgroupStorageBytes: 49152, workgroupInvocations: 1024 };
    if (!/held|fixed/.test(v.name) || v.unsupported(use, caps) !== null) continue;
    n += 1;
    const code = kernelCode(matvec, use, v);
    const info = await gpu.device.createShaderModule({ code }).getCompilationInfo();
    for (const m of info.messages) if (m.type === 'error') { console.log(v.name, f, m.lineNum, m.message, code.split('\n')[m.lineNum - 1]); expect(0).toBe(1); }
    console.log(f, columns, v.name, 'ok');
  }
  gpu.dispose();
});
