import { clearLine } from './progress.js';

/** Names the files that were left out, each with its reason, in the place of the line that showed progress. */
export function nameSkipped(skipped: readonly { readonly file: string; readonly reason: string }[]): void {
  clearLine();
  for (const { file, reason } of skipped) process.stderr.write(`skipped ${file}: ${reason}\n`);
}
