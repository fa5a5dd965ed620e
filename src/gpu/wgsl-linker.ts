/**
 * Links WGSL modules. Every file stays valid WGSL by itself: what the linker reads stands in comments.
 *
 *   //#import quant/{quant}     the module's text, once; {name} is replaced by a choice
 *   //#if flag  //#if !flag     keeps the lines up to //#else or //#endif where the flag is (not) set
 *   //#repeat T COUNT           the lines up to //#endrepeat once for each number below the constant COUNT: `T` becomes `0u`, `1u` …, and
 *                               `sums_T` becomes `sums_0`, `sums_1` … For what must stay in registers: variables instead of an array.
 *
 * Numbers come as `const` declarations, so that the compiler sees constant trip counts and array sizes. See ADR 0001.
 */
export interface ShaderOptions {
  /** For {name} in imports: `{ quant: 'q4_0' }`. */
  choices?: Readonly<Record<string, string>>;
  /** For //#if: the names of the flags that are set. */
  flags?: readonly string[];
  /** `const NAME: u32 = value;` */
  constants?: Readonly<Record<string, number>>;
}

export type ShaderLibrary = Readonly<Record<string, string>>;

/** The linked text of a module: header, constants, imports in order of first use, then the module itself. */
export function linkShader(
  library: ShaderLibrary,
  path: string,
  options: ShaderOptions,
  header = '',
): string {
  const linked = new Set<string>();
  const parts: string[] = [];
  appendModule(path);
  const constants = Object.entries(options.constants ?? {}).map(
    ([name, value]) => `const ${name}: u32 = ${value}u;`,
  );
  return `${[enableDirectives(options), ...constants, header, ...parts].filter(Boolean).join('\n')}\n`;

  function appendModule(modulePath: string): void {
    if (linked.has(modulePath)) return;
    linked.add(modulePath);
    const text = library[modulePath];
    if (text === undefined) throw new Error(`shader module '${modulePath}' does not exist`);
    const selected = selectLines(modulePath, text, new Set(options.flags ?? []));
    const own = repeatLines(modulePath, selected, options.constants ?? {}).filter((line) => {
      const imported = /^\s*\/\/#import (\S+)/.exec(line);
      if (imported?.[1]) appendModule(fillChoices(imported[1], options.choices ?? {}));
      return !imported;
    });
    parts.push(own.join('\n').trim());
  }
}

function enableDirectives(options: ShaderOptions): string {
  const extensions = (options.flags ?? []).flatMap((flag) => extensionOf[flag] ?? []);
  return [...new Set(extensions)].map((name) => `enable ${name};`).join('\n');
}

/** Flags that need a WGSL language extension. */
const extensionOf: Readonly<Record<string, string[]>> = {
  subgroups: ['subgroups'],
  f16: ['f16'],
  subgroup_matrix: ['chromium_experimental_subgroup_matrix'],
};

function fillChoices(path: string, choices: Readonly<Record<string, string>>): string {
  return path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const choice = choices[name];
    if (choice === undefined) throw new Error(`shader choice '${name}' is not given`);
    return choice;
  });
}

function selectLines(path: string, text: string, flags: ReadonlySet<string>): string[] {
  const kept: string[] = [];
  /** One entry a nested //#if: are the lines of the current branch kept? */
  const branches: boolean[] = [];
  for (const line of text.split('\n')) {
    const directive = /^\s*\/\/#(if|else|endif)\s*(!?)(\w*)/.exec(line);
    if (!directive) {
      if (branches.every(Boolean)) kept.push(line);
      continue;
    }
    const [, keyword, negated, flag] = directive;
    if (keyword === 'if') branches.push(flags.has(flag ?? '') !== (negated === '!'));
    else if (keyword === 'else') branches.push(!branches.pop());
    else if (branches.pop() === undefined) throw new Error(`${path}: //#endif without //#if`);
  }
  if (branches.length > 0) throw new Error(`${path}: //#if without //#endif`);
  return kept;
}

function repeatLines(
  path: string,
  lines: readonly string[],
  constants: Readonly<Record<string, number>>,
): string[] {
  const out: string[] = [];
  for (let i = 0; i < lines.length; i += 1) {
    const [, name, countName] = /^\s*\/\/#repeat (\w+) (\w+)/.exec(lines[i] ?? '') ?? [];
    if (!name || !countName) {
      out.push(lines[i] ?? '');
      continue;
    }
    const count = constants[countName];
    if (count === undefined) throw new Error(`${path}: constant '${countName}' is not given`);
    const end = endOfRepeat(path, lines, i);
    const body = repeatLines(path, lines.slice(i + 1, end), constants);
    const pattern = new RegExp(`(?<=_)${name}(?=_|\\b)|\\b${name}\\b`, 'g');
    for (let n = 0; n < count; n += 1) {
      // Part of a name, or a number by itself.
      const number = (_: string, at: number, line: string) =>
        line[at - 1] === '_' ? `${n}` : `${n}u`;
      out.push(...body.map((line) => line.replace(pattern, number)));
    }
    i = end;
  }
  return out;
}

function endOfRepeat(path: string, lines: readonly string[], start: number): number {
  let depth = 0;
  for (let i = start; i < lines.length; i += 1) {
    if (/^\s*\/\/#repeat /.test(lines[i] ?? '')) depth += 1;
    else if (/^\s*\/\/#endrepeat/.test(lines[i] ?? '')) depth -= 1;
    if (depth === 0) return i;
  }
  throw new Error(`${path}: //#repeat without //#endrepeat`);
}
