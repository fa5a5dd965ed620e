/** A word without what the linker numbers (`_T`, see `//#repeat`), which follows; words of attributes and address spaces are the language's own. */
const word =
  /@builtin\(\w+\)|@interpolate\([^)]*\)|@\w+|\b(?:var|ptr)<\w+|\b\d\w*|([A-Za-z]\w*?)((?:_[A-Z])*)\b/g;

/**
 * Short names for what shaders declare: the same in all modules, so that those that are linked still fit. What kernels name in TypeScript
 * (bindings, parameters, constants, entry points) stays, and so do types and the language's functions. Should one be missed, what is
 * linked does not compile: `npm run check:shaders` compiles all of it.
 */
export function shortNames(shaders: readonly string[], typeScript: string): Map<string, string> {
  const code = shaders.join('\n').replace(/^\/\/#.*$/gm, '');
  const kept = new Set([...namesGiven(typeScript), ...calledFromOutside(code)]);
  const uses = new Map<string, number>();
  for (const [, name] of code.matchAll(word)) {
    if (name) uses.set(name, (uses.get(name) ?? 0) + 1);
  }
  const count = (name: string) => uses.get(name) ?? 0;
  const declared = new Set(
    declaredNames(code).filter((name) => !kept.has(name) && !/^[xyzwrgbaA-Z]$/.test(name)),
  );
  const unused = shortestNames((name) => uses.has(name) && !declared.has(name));
  const frequent = [...declared].sort((a, b) => count(b) - count(a));
  return new Map(frequent.map((name) => [name, unused.next().value as string]));
}

/** A module by short names; the linker's directives as they are. */
export function renameWgsl(text: string, names: ReadonlyMap<string, string>): string {
  const rename = (whole: string, name: string, numbers: string): string => {
    const short = names.get(name);
    return short ? short + numbers : whole;
  };
  return text.replace(/^(?!\/\/#).*$/gm, (line) => line.replace(word, rename));
}

/** Variables, constants, functions, their parameters, members of structs. */
function declaredNames(code: string): string[] {
  const names = code.matchAll(/\b(?:fn|let|const|var(?:<[^>]*>)?) (\w+)/g);
  const lists = code.matchAll(/\bfn \w+\(([^{]*)\{|\bstruct \w+\{([^}]*)\}/g);
  const listed = [...lists].flatMap(([, parameters, members]) => [
    ...(parameters ?? members ?? '').matchAll(/(\w+):/g),
  ]);
  return [...names, ...listed].map(([, name = '']) => name.replace(/(_[A-Z])+$/, ''));
}

/** Entry points, and functions of the language: a variable may have the name of one. */
function calledFromOutside(code: string): string[] {
  const own = new Set([...code.matchAll(/(?<!@[^{}]*)\bfn (\w+)/g)].map(([, name]) => name));
  return [...code.matchAll(/\b(\w+)\(/g)].flatMap(([, name = '']) => (own.has(name) ? [] : name));
}

/** Bindings, constants and the fields of `params`. */
function namesGiven(typeScript: string): string[] {
  const given =
    /\bname: '(\w+)',\s+type:|\b([A-Z][A-Z\d_]+)\b|(\w+): '[uf]32'(?! \|)|var<.*> (\w+):/g;
  return [...typeScript.matchAll(given)].map((found) => found.slice(1).find(Boolean) ?? '');
}

/** `a`, `b`, … `aa`; capitals alone are the linker's numbers. */
function* shortestNames(isUsed: (name: string) => boolean): Generator<string> {
  const letters = 'abcdefghijklmnopqrstuvwxyz';
  const starts = ['', ...letters];
  for (const start of starts) {
    for (const letter of start ? letters + letters.toUpperCase() : letters) {
      const name = start + letter;
      if (!isUsed(name) && !reserved.has(name)) yield name;
    }
  }
}

const reserved = new Set(['as', 'do', 'fn', 'if', 'in', 'is', 'of', 'or']);
