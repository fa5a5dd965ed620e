import { shaderModules } from '../gpu/shader-library.ts';
import type { ShaderLibrary } from '../gpu/wgsl-linker.ts';

/** What the kernels of splats are made of. */
export const splatShaders: ShaderLibrary = shaderModules(
  import.meta.glob<string>(
    ['./splats/*.wgsl', './lib/{grid,splat,tiles,spherical-harmonics,workgroup-scan}.wgsl'],
    { base: '../../shaders', query: '?raw', import: 'default', eager: true },
  ),
);
