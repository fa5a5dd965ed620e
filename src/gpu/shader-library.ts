import type { ShaderLibrary } from './wgsl-linker.ts';

const files = import.meta.glob<string>(['../../shaders/*/*.wgsl', '!**/__snapshots__/**'], {
  query: '?raw',
  import: 'default',
  eager: true,
});

/** Every module of `shaders/` by its path without the ending: `matmul/matvec`. */
export const shaderLibrary: ShaderLibrary = Object.fromEntries(
  Object.entries(files).map(([path, text]) => [path.replace(/^.*\/shaders\/|\.wgsl$/g, ''), text]),
);
