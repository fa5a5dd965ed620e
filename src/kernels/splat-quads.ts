import type { Gpu } from '../gpu/gpu.ts';
import { linkShader } from '../gpu/wgsl-linker.ts';
import { splatShaders } from './splat-shaders.ts';

const bindings = `@group(0) @binding(0) var<uniform> size: vec2<f32>;
@group(0) @binding(1) var<storage, read> draw: array<u32>;
@group(0) @binding(2) var<storage, read> cache: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> order: array<u32>;`;

/** What quads are drawn from. */
export interface SplatQuadBuffers {
  /** vec2<f32>: width and height of the picture in pixels. */
  size: GPUBuffer;
  /** Arguments of the indirect draw: 4 vertices, the visible splats, 0, 0. */
  draw: GPUBuffer;
  /** [splats, 2] vec4<f32> */
  cache: GPUBuffer;
  /** [splats] front to back. */
  order: GPUBuffer;
}

/** Draws visible splats as quads along the axes of their ellipses, back to front, over what the pass has. */
export interface SplatQuads {
  draw(pass: GPURenderPassEncoder): void;
}

/** The WGSL that draws quads. */
export function splatQuadsCode(): string {
  return linkShader(splatShaders, 'splats/splat-quads', {}, bindings);
}

/** Compiles the quads for a target; colours are multiplied by alpha, in the target too. */
export async function prepareSplatQuads(
  gpu: Gpu,
  format: GPUTextureFormat,
  buffers: SplatQuadBuffers,
): Promise<SplatQuads> {
  const over: GPUBlendComponent = {
    srcFactor: 'one',
    dstFactor: 'one-minus-src-alpha',
    operation: 'add',
  };
  const label = `splat-quads/${format}`;
  const pipeline = await gpu.renderPipeline(
    label,
    splatQuadsCode(),
    { vertex: 'corner', fragment: 'pixel', topology: 'triangle-strip' },
    { format, blend: { color: over, alpha: over } },
  );
  const bindGroup = gpu.createBindGroup(label, pipeline, [
    { binding: 0, resource: { buffer: buffers.size, size: 16 } },
    { binding: 1, resource: { buffer: buffers.draw } },
    { binding: 2, resource: { buffer: buffers.cache } },
    { binding: 3, resource: { buffer: buffers.order } },
  ]);
  return {
    draw(pass) {
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, bindGroup);
      pass.drawIndirect(buffers.draw, 0);
    },
  };
}
