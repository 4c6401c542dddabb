/** A table in Markdown. */
export const table = (header, rows) =>
  [header, header.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');

export const ratio = (value) => value.toFixed(2);

/** S as tables name it; null is the whole map, as JSON keeps it. */
export const named = (S) => (Number.isFinite(S) && S !== null ? String(S) : 'whole');
