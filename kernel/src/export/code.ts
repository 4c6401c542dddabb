import highlight from 'highlight.js/lib/common';
import { escapeMarkup } from '../display/draw/svg.js';

/** Source code as HTML with its words coloured, where the language is known. */
export function codeHtml(source: string, language: string): string {
  const known = highlight.getLanguage(language) !== undefined;
  return known ? highlight.highlight(source, { language, ignoreIllegals: true }).value : escapeMarkup(source);
}
