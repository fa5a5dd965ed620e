import { shaderModules } from '../gpu/shader-library.ts';
import type { ShaderLibrary } from '../gpu/wgsl-linker.ts';

/** What the kernels of vision models are made of. */
export const visionShaders: ShaderLibrary = shaderModules(
  import.meta.glob<string>(
    ['../../shaders/{conv,screen,vision}/*.wgsl', '../../shaders/lib/{map-*,frame-*,grid}.wgsl'],
    { query: '?raw', import: 'default', eager: true },
  ),
);
