import type { Gpu } from '../gpu/gpu.ts';
import { linkShader } from '../gpu/wgsl-linker.ts';
import { splatShaders } from './splat-shaders.ts';

const bindings = `@group(0) @binding(0) var<uniform> frame: Frame;
@group(0) @binding(1) var body: texture_2d<f32>;
@group(0) @binding(2) var smooth_sampler: sampler;`;

/**
 * Floats of the uniform `Frame`: three rows of the homography, four floats each; the background; width and height of the picture; scale
 * and shift from texture coordinates to 0..1 of the texture.
 */
export const bodyFrameFloats: number = 20;

/** Draws a body beneath what the pass has. */
export interface BodyUnder {
  draw(pass: GPURenderPassEncoder): void;
}

/** The WGSL of the body beneath. */
export function bodyUnderCode(): string {
  return linkShader(splatShaders, 'splats/body-under', {}, bindings);
}

/** Compiles it for a target, whose colours are multiplied by alpha; `texture` has straight alpha. */
export async function prepareBodyUnder(
  gpu: Gpu,
  format: GPUTextureFormat,
  { frame, texture }: { frame: GPUBuffer; texture: GPUTexture },
): Promise<BodyUnder> {
  // A pixel gets what its alpha leaves open.
  const under: GPUBlendComponent = {
    srcFactor: 'one-minus-dst-alpha',
    dstFactor: 'one',
    operation: 'add',
  };
  const label = `body-under/${format}`;
  const pipeline = await gpu.renderPipeline(
    label,
    bodyUnderCode(),
    { vertex: 'corner', fragment: 'pixel', topology: 'triangle-list' },
    { format, blend: { color: under, alpha: under } },
  );
  const sampler = gpu.device.createSampler({ magFilter: 'linear', minFilter: 'linear' });
  const bindGroup = gpu.createBindGroup(label, pipeline, [
    { binding: 0, resource: { buffer: frame } },
    { binding: 1, resource: texture.createView() },
    { binding: 2, resource: sampler },
  ]);
  return {
    draw(pass) {
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, bindGroup);
      pass.draw(3);
    },
  };
}
