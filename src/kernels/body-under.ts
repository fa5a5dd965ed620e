import type { BufferRange, Gpu } from '../gpu/gpu.ts';
import { linkShader } from '../gpu/wgsl-linker.ts';
import { splatShaders } from './splat-shaders.ts';

const frameBinding = '@group(0) @binding(0) var<uniform> frame: Frame;';
const textureBindings = `${frameBinding}
@group(0) @binding(1) var body: texture_2d<f32>;
@group(0) @binding(2) var smooth_sampler: sampler;
@group(0) @binding(3) var fields: texture_2d_array<f32>;`;
const networksBindings = `${frameBinding}
@group(0) @binding(1) var<storage, read> body: array<u32>;`;

/**
 * Floats of the uniform `Frame`: three rows of the homography, four floats each; the background; width and height of the picture; scale
 * and shift from texture coordinates to 0..1 of the texture; shares of four displacement fields.
 */
export const bodyFrameFloats: number = 24;

/** Draws a body beneath what the pass has. */
export interface BodyUnder {
  draw(pass: GPURenderPassEncoder): void;
}

/** A baked texture with straight alpha and its displacement fields, two in a layer, or the picture that `body-networks` made. */
export type BodySource = { texture: GPUTexture; fields: GPUTexture } | { picture: GPUBuffer };

/** Compiles it for a target, whose colours are multiplied by alpha. */
export async function prepareBodyUnder(
  gpu: Gpu,
  format: GPUTextureFormat,
  frame: BufferRange,
  body: BodySource,
): Promise<BodyUnder> {
  // A pixel gets what its alpha leaves open.
  const under: GPUBlendComponent = {
    srcFactor: 'one-minus-dst-alpha',
    dstFactor: 'one',
    operation: 'add',
  };
  const networks = 'picture' in body;
  const label = `body-under/${format}${networks ? '.networks' : ''}`;
  const pipeline = await gpu.renderPipeline(
    label,
    linkShader(
      splatShaders,
      'splats/body-under',
      { flags: networks ? ['networks'] : [] },
      networks ? networksBindings : textureBindings,
    ),
    { vertex: 'corner', fragment: 'pixel', topology: 'triangle-list' },
    { format, blend: { color: under, alpha: under } },
  );
  const resources: readonly GPUBindingResource[] = networks
    ? [frame, { buffer: body.picture }]
    : [
        frame,
        body.texture.createView(),
        gpu.device.createSampler({ magFilter: 'linear', minFilter: 'linear' }),
        body.fields.createView({ dimension: '2d-array' }),
      ];
  const entries = resources.map((resource, binding) => ({ binding, resource }));
  const bindGroup = gpu.createBindGroup(label, pipeline, entries);
  return {
    draw(pass) {
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, bindGroup);
      pass.draw(3);
    },
  };
}
