/** Tables that scripts write into documents, and where. */
import { readFileSync, writeFileSync } from 'node:fs';

/** A Markdown table with columns as wide as their widest cell. */
export function tableOf(header, lines) {
  const cells = [header, ...lines];
  const widths = header.map((_, column) => Math.max(3, ...cells.map((line) => line[column].length)));
  const row = (line) => `| ${line.map((cell, i) => cell.padEnd(widths[i])).join(' | ')} |`;
  return [row(header), row(widths.map((width) => '-'.repeat(width))), ...lines.map(row)].join('\n');
}

const end = '<!-- measured: end -->';

/**
 * Puts text between the two marking lines of a file: `<!-- measured: COMMAND -->`, which names what writes it, and
 * `<!-- measured: end -->`.
 */
export function replaceMarked(name, command, text) {
  const begin = `<!-- measured: ${command} -->`;
  const file = new URL(`../${name}`, import.meta.url);
  const before = readFileSync(file, 'utf8');
  const from = before.indexOf(begin);
  const to = before.indexOf(end, from);
  if (from < 0 || to < 0) throw new Error(`${name} has no "${begin}" before "${end}"`);
  writeFileSync(file, `${before.slice(0, from + begin.length)}\n\n${text}\n\n${before.slice(to)}`);
}
