import type { ShaderLibrary } from './wgsl-linker.ts';

/** Modules by their paths without the ending, `matmul/matvec`, from what a glob over `shaders/` gives. */
export function shaderModules(files: Readonly<Record<string, string>>): ShaderLibrary {
  const path = (file: string): string => file.replace(/^\.\/|\.wgsl$/g, '');
  return Object.fromEntries(Object.entries(files).map(([file, text]) => [path(file), text]));
}
