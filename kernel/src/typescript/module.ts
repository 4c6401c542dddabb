import { dirname, extname } from 'node:path';
import type { Program } from 'acorn';
import type { Loader } from 'esbuild';
import { compileSync } from './bundler.js';
import { freshName } from './fresh-name.js';
import { type ExportsOf, exportedNames, withoutExportedTypes, withoutUnusedImports } from './imports.js';
import { declaredNames, hasFields, usedNames } from './names.js';
import { definesFields, type ProjectSettings, settingsOf } from './project-settings.js';
import { type Parsed, parseJavaScript, strip } from './strip.js';
import { SourceSyntaxError } from './syntax-error.js';
import { walkSyntax } from './walk-syntax.js';

export interface CompiledModule {
  readonly format: 'module' | 'commonjs';
  /** What it exports when it runs, where that is known. */
  readonly exports: ReadonlySet<string> | undefined;
  /** JavaScript, with a source map in it where its lines are not those of the source. */
  readonly code: string;
}

const loaders: Readonly<Record<string, Loader>> = {
  '.ts': 'ts',
  '.mts': 'ts',
  '.cts': 'ts',
  '.tsx': 'tsx',
  '.jsx': 'jsx',
};

/** Whether a file has to be compiled before Node can run it. */
export function isCompiled(file: string): boolean {
  return extname(file) in loaders;
}

export interface ModuleOptions {
  /** The module system asked for; without it the file's own. */
  readonly wanted?: 'commonjs' | undefined;
  /** What other modules export, by their specifiers in this one. */
  readonly exportsOf: ExportsOf;
}

/**
 * JavaScript of a user's TypeScript file, by the settings of the tsconfig.json nearest to it. Where types can be
 * blanked out, lines and columns stay; everything else is compiled.
 *
 * @throws SyntaxError naming the file, the line and the column when it is not TypeScript
 */
export function compileModule(source: string, file: string, options: ModuleOptions): CompiledModule {
  const settings = settingsOf(dirname(file));
  const commonjs = options.wanted === 'commonjs' || extname(file) === '.cts';
  try {
    const stripped = commonjs ? undefined : stripModule(source, file, settings);
    if (stripped && !isCommonJs(stripped.program, file)) return finished(stripped, file, options);
    return bundle(source, file, settings, commonjs, options);
  } catch (error) {
    if (!(error instanceof SourceSyntaxError)) throw error;
    const { message, line, column = 0 } = error;
    const place = line === undefined ? file : `${file}:${line + 1}:${column + 1}`;
    throw new SyntaxError(`${message} (${place})`);
  }
}

/** The module with its types blanked out, if that is all there is to do. */
function stripModule(source: string, file: string, settings: ProjectSettings): Parsed | undefined {
  if (loaders[extname(file)] !== 'ts') return undefined;
  let stripped: Parsed;
  try {
    stripped = strip(source);
  } catch (error) {
    if (!(error instanceof SourceSyntaxError) || error.kind === 'too deep') throw error;
    return undefined;
  }
  if (!definesFields(settings) && hasFields(stripped.program)) return undefined;
  return settings.options.verbatimModuleSyntax ? stripped : withoutUnusedImports(stripped);
}

function bundle(
  source: string,
  file: string,
  settings: ProjectSettings,
  commonjs: boolean,
  options: ModuleOptions,
): CompiledModule {
  const verbatimModuleSyntax = settings.options.verbatimModuleSyntax === true;
  const compiled = (format: 'esm' | 'cjs') =>
    compileSync(source, {
      settings,
      file,
      loaders: [loaders[extname(file)]!],
      transform: {
        format,
        target: `node${process.versions.node}`,
        ...(format === 'cjs' ? { platform: 'node' } : {}),
        tsconfigRaw: { compilerOptions: { verbatimModuleSyntax } },
      },
    });
  if (!commonjs) {
    const { code, map } = compiled('esm');
    const program = parseJavaScript(code);
    if (!isCommonJs(program, file)) return finished({ code, program }, file, options, map);
  }
  const { code, map } = compiled('cjs');
  return { format: 'commonjs', code: withMap(code, map), exports: undefined };
}

function finished(parsed: Parsed, file: string, { exportsOf }: ModuleOptions, map?: string): CompiledModule {
  const values = withoutExportedTypes(parsed, exportsOf);
  const code = withRequire(values, file);
  return {
    format: 'module',
    code: map === undefined ? code : withMap(code, map),
    exports: exportedNames(values.program, exportsOf),
  };
}

function withMap(code: string, map: string): string {
  const url = `data:application/json;base64,${Buffer.from(map).toString('base64')}`;
  return `${code}\n//# sourceMappingURL=${url}`;
}

/** Whether a file is written as a CommonJS module: by its extension, or as it exports and does not import. */
function isCommonJs(program: Program, file: string): boolean {
  if (extname(file) !== '.ts' && extname(file) !== '.tsx') return false;
  let exports = false;
  let modern = program.body.some(({ type }) => /^(?:Import|Export)/.test(type));
  walkSyntax(program, (node, { functionDepth }) => {
    if (node.type === 'MetaProperty' && node.meta.name === 'import') modern = true;
    else if (node.type === 'AwaitExpression' && functionDepth === 0) modern = true;
    else if (node.type === 'MemberExpression' && node.object.type === 'Identifier') {
      const { object, property } = node;
      const named = property.type === 'Identifier' && property.name === 'exports';
      if (object.name === 'exports' || (object.name === 'module' && named)) exports = true;
    }
  });
  return exports && !modern;
}

/** Gives a module that uses them beside `import` what CommonJS modules have in scope. */
function withRequire({ code, program }: Parsed, file: string): string {
  if (!/\b(?:require|__filename|__dirname)\b/.test(code)) return code;
  const declared = declaredNames(program);
  const used = usedNames(program);
  const isMissing = (name: string) => used.has(name) && !declared.has(name);
  const create = freshName('createRequire', code);
  // On the first line, so that the others stay where they are.
  let before = '';
  if (isMissing('require')) {
    before += `import{createRequire as ${create}}from"node:module";const require=${create}(${JSON.stringify(file)});`;
  }
  if (isMissing('__filename')) before += `const __filename=${JSON.stringify(file)};`;
  if (isMissing('__dirname')) before += `const __dirname=${JSON.stringify(dirname(file))};`;
  return before + code;
}
