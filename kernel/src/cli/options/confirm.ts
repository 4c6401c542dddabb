import { createInterface } from 'node:readline/promises';
import { FoveaError } from '@fovea/engine/errors';

/**
 * Asks on a terminal; elsewhere only `--yes` confirms.
 * @param question what is asked; nothing when it is undefined
 * @param what is done when it is confirmed, as `Run it?` and `--yes runs it` say
 * @throws FoveaError `bad-argument` naming the option where nobody can be asked, `aborted` for another answer than yes
 */
export async function confirm(
  question: string | undefined,
  yes: boolean,
  what: { readonly ask: string; readonly yesDoes: string; readonly declined: string },
): Promise<void> {
  if (question === undefined || yes) return;
  if (!process.stdin.isTTY || !process.stderr.isTTY)
    throw new FoveaError('bad-argument', `${question}: --yes ${what.yesDoes}`);
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await lines.question(`${question}. ${what.ask} [y/N] `).finally(() => lines.close());
  if (!/^y(es)?$/i.test(answer.trim())) throw new FoveaError('aborted', what.declined);
}
