import type { Hover, MarkedString, MarkupContent, SignatureHelp } from 'vscode-languageserver-types';

/** Content of an `inspect_reply`. */
export interface Inspection {
  readonly found: boolean;
  readonly data: Readonly<Record<string, string>>;
  readonly metadata: Readonly<Record<string, never>>;
}

export const notFound: Inspection = { found: false, data: {}, metadata: {} };

/** The text of any of the forms in which the server sends documentation. */
export function markupText(markup: MarkupContent | MarkedString | MarkedString[] | undefined): string {
  if (markup === undefined) return '';
  if (Array.isArray(markup)) return markup.map(markupText).join('\n\n');
  return typeof markup === 'string' ? markup : markup.value;
}

/** The answer from sections of markdown; as plain text the fences are left out. */
export function inspection(sections: readonly string[]): Inspection {
  const markdown = sections.filter((section) => section.trim() !== '').join('\n\n');
  if (markdown === '') return notFound;
  const plain = markdown
    .replace(/^```\w*\n?/gm, '')
    .replace(/\n{3,}/g, '\n\n')
    .trim();
  return { found: true, data: { 'text/markdown': markdown, 'text/plain': plain }, metadata: {} };
}

/** A hover's text, without what only tells how cells are stitched together. */
export function hoverMarkdown(hover: Hover | null): string {
  return tidy(markupText(hover?.contents));
}

/** The signatures of the call that the cursor is in, the one in force first, with its documentation. */
export function signatureMarkdown(help: SignatureHelp | null): string {
  if (help === null || help.signatures.length === 0) return '';
  const { signatures, activeSignature, activeParameter } = help;
  const active = signatures[activeSignature ?? 0] ?? signatures[0]!;
  const others = signatures.filter((signature) => signature !== active);
  const parameter = active.parameters?.[activeParameter ?? 0];
  const parameterText = markupText(parameter?.documentation);
  return tidy(
    [
      `\`\`\`typescript\n${[active, ...others].map(({ label }) => label).join('\n')}\n\`\`\``,
      markupText(active.documentation),
      parameterText === '' ? '' : `\`${parameter!.label}\` — ${parameterText}`,
    ]
      .filter((section) => section !== '')
      .join('\n\n'),
  );
}

/** Removes the marks that modules leave: `(alias)`, and import paths in front of type names. */
function tidy(markdown: string): string {
  return markdown
    .replace(/^\(alias\) /gm, '')
    .replace(/import\("[^"\n]*"\)\./g, '')
    .replace(/^import .*\n/gm, '')
    .trim();
}
