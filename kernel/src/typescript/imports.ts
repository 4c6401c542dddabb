import type { Identifier, ImportDeclaration, Literal, Program } from 'acorn';
import { boundNames } from './bindings.js';
import { Editor } from './edits.js';
import { declaredNames, usedNames } from './names.js';
import { type Parsed, parseJavaScript } from './strip.js';

/**
 * Blanks out what a module imports and never uses: names of types, which do not exist when it runs.
 *
 * @returns undefined when it takes a compiler to tell which names are used
 */
export function withoutUnusedImports({ code, program }: Parsed): Parsed | undefined {
  const imports = program.body.filter((node): node is ImportDeclaration => node.type === 'ImportDeclaration');
  if (imports.length === 0) return { code, program };
  const declared = declaredNames(program);
  if (imports.some(({ specifiers }) => specifiers.some(({ local }) => declared.has(local.name)))) {
    return undefined;
  }
  const used = usedNames(program);
  const editor = new Editor(code);
  for (const node of imports) blankUnused(node, used, editor);
  return parsedAgain({ code, program }, editor);
}

function parsedAgain(parsed: Parsed, editor: Editor): Parsed {
  const code = editor.apply();
  return code === parsed.code ? parsed : { code, program: parseJavaScript(code) };
}

function blankUnused(
  { specifiers, source, start, end }: ImportDeclaration,
  used: ReadonlySet<string>,
  editor: Editor,
): void {
  // `import 'x'` is for what the module does; `import {} from 'x'` is what imports of types leave.
  if (/^import\s*['"]/.test(editor.text.slice(start, source.end))) return;
  const kept = specifiers.filter(({ local }) => used.has(local.name));
  if (kept.length === 0) {
    editor.remove(start, end);
    return;
  }
  for (const [index, specifier] of specifiers.entries()) {
    if (kept.includes(specifier)) continue;
    // A namespace comes last, and may have a comma before it.
    const before = specifier.type === 'ImportNamespaceSpecifier' ? specifiers[index - 1] : undefined;
    editor.blank(before?.end ?? specifier.start, endOf(specifier, editor.text));
  }
}

/** The end of a specifier, with the comma after it. */
function endOf({ end }: { readonly end: number }, text: string): number {
  return end + (/^\s*,/.exec(text.slice(end, end + 1000))?.[0].length ?? 0);
}

/** What a module exports when it runs; undefined where that is not known. */
export type ExportsOf = (specifier: string) => ReadonlySet<string> | undefined;

/** Blanks out what a module passes on that the module it comes from only has as a type. */
export function withoutExportedTypes(parsed: Parsed, exportsOf: ExportsOf): Parsed {
  const { code, program } = parsed;
  const editor = new Editor(code);
  const imported = new Map<string, { readonly declaration: ImportDeclaration; readonly index: number }>();
  for (const declaration of program.body) {
    if (declaration.type !== 'ImportDeclaration') continue;
    for (const [index, { local }] of declaration.specifiers.entries())
      imported.set(local.name, { declaration, index });
  }
  for (const node of program.body) {
    if (node.type !== 'ExportNamedDeclaration') continue;
    for (const specifier of node.specifiers) {
      const name = nameOf(specifier.local);
      const from = node.source ? undefined : imported.get(name);
      const origin = from?.declaration.specifiers[from.index];
      const isType = node.source
        ? exportsOf(String(node.source.value))?.has(name) === false
        : from !== undefined &&
          origin?.type === 'ImportSpecifier' &&
          exportsOf(String(from.declaration.source.value))?.has(nameOf(origin.imported)) === false;
      if (!isType) continue;
      editor.blank(specifier.start, endOf(specifier, code));
      if (origin) editor.blank(origin.start, endOf(origin, code));
    }
  }
  return parsedAgain(parsed, editor);
}

/**
 * The names that a module exports when it runs.
 *
 * @returns undefined when it passes on all that another one has whose exports are not known
 */
export function exportedNames(program: Program, exportsOf: ExportsOf): ReadonlySet<string> | undefined {
  const names = new Set<string>();
  for (const node of program.body) {
    if (node.type === 'ExportDefaultDeclaration') names.add('default');
    else if (node.type === 'ExportAllDeclaration') {
      if (node.exported) names.add(nameOf(node.exported));
      else {
        const all = exportsOf(String(node.source.value));
        if (!all) return undefined;
        for (const name of all) names.add(name);
      }
    } else if (node.type === 'ExportNamedDeclaration') {
      for (const { exported } of node.specifiers) names.add(nameOf(exported));
      const { declaration } = node;
      if (declaration?.type === 'VariableDeclaration') {
        for (const { id } of declaration.declarations) for (const name of boundNames(id)) names.add(name);
      } else if (declaration) names.add(declaration.id.name);
    }
  }
  return names;
}

function nameOf(node: Identifier | Literal): string {
  return node.type === 'Identifier' ? node.name : String(node.value);
}
