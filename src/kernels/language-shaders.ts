import { shaderModules } from '../gpu/shader-library.ts';
import type { ShaderLibrary } from '../gpu/wgsl-linker.ts';

/** What the kernels of language models are made of. Other kernels bring their own modules, so that a bundle holds what it runs. */
export const languageShaders: ShaderLibrary = shaderModules(
  import.meta.glob<string>(
    [
      './{attention,elementwise,embedding,lib,matmul,norm,quant,quant-half,sampling}/*.wgsl',
      '!**/lib/{map-*,frame-*,splat,tiles,spherical-harmonics}.wgsl',
    ],
    { base: '../../shaders', query: '?raw', import: 'default', eager: true },
  ),
);
