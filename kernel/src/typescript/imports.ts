import type { ImportDeclaration } from 'acorn';
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
  const edited = editor.apply();
  return edited === code ? { code, program } : { code: edited, program: parseJavaScript(edited) };
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
    editor.blank(start, end);
    return;
  }
  for (const [index, specifier] of specifiers.entries()) {
    if (kept.includes(specifier)) continue;
    const comma = /^\s*,/.exec(editor.text.slice(specifier.end, source.start))?.[0].length ?? 0;
    // A namespace comes last, and may have a comma before it.
    const before = specifier.type === 'ImportNamespaceSpecifier' ? specifiers[index - 1] : undefined;
    editor.blank(before?.end ?? specifier.start, specifier.end + comma);
  }
}
