/**
 * Links WGSL modules. Every file stays valid WGSL by itself: what the linker reads stands in comments.
 *
 *   //#import quant/{quant}     the module's text, once; {name} is replaced by a choice
 *   //#if flag  //#if !flag     keeps the lines up to //#else or //#endif where the flag is (not) set
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
    const own = selectLines(modulePath, text, new Set(options.flags ?? [])).filter((line) => {
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
