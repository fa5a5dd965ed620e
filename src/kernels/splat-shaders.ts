import { shaderModules } from '../gpu/shader-library.ts';
import type { ShaderLibrary } from '../gpu/wgsl-linker.ts';

/** What the kernels of splats are made of. */
export const splatShaders: ShaderLibrary = shaderModules(
  import.meta.glob<string>(
    [
      '../../shaders/splats/*.wgsl',
      '../../shaders/lib/{grid,splat,tiles,spherical-harmonics,workgroup-scan}.wgsl',
    ],
    { query: '?raw', import: 'default', eager: true },
  ),
);
