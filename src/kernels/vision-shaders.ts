import { shaderModules } from '../gpu/shader-library.ts';
import type { ShaderLibrary } from '../gpu/wgsl-linker.ts';

/** What the kernels of vision models are made of. */
export const visionShaders: ShaderLibrary = shaderModules(
  import.meta.glob<string>(['./{conv,screen,vision}/*.wgsl', './lib/{map-*,frame-*,grid}.wgsl'], {
    base: '../../shaders',
    query: '?raw',
    import: 'default',
    eager: true,
  }),
);
