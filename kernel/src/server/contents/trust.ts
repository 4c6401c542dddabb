import { createHmac, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { codeCells, formatNotebook } from './notebook.js';

type Dict = Record<string, unknown>;

/** How many signatures are kept; the oldest go first. */
const KEPT = 16_384;

/**
 * Which notebooks the user has seen run or has trusted. HTML and JavaScript in a saved output are shown only
 * for those: a notebook from elsewhere must not act with the user's login as soon as it is opened. Trust is an
 * HMAC over the notebook under a secret of this machine, as Jupyter does it.
 */
export class NotebookTrust {
  private readonly signatures: Set<string>;

  private constructor(
    private readonly secret: Buffer,
    private readonly file: string,
  ) {
    let lines: string[] = [];
    try {
      lines = readFileSync(file, 'utf8').split('\n').filter(Boolean);
    } catch {
      lines = [];
    }
    this.signatures = new Set(lines);
  }

  /** Opens the store in a private folder, and makes the secret on the first use. */
  static async open(folder: string): Promise<NotebookTrust> {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const path = join(folder, 'notebook-secret');
    await writeFile(path, randomBytes(64), { mode: 0o600, flag: 'wx' }).catch((error) => {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    });
    return new NotebookTrust(readFileSync(path), join(folder, 'notebook-signatures'));
  }

  /** A signed notebook's cells are marked as trusted; all others' marks are removed. */
  mark(notebook: Dict): Dict {
    const trusted = this.signatures.has(this.sign(notebook));
    return withTrust(notebook, (metadata) => ({ ...metadata, trusted }));
  }

  /** Strips the marks for saving, and signs the notebook when every code cell was trusted. */
  async strip(notebook: Dict): Promise<Dict> {
    const cells = codeCells(notebook);
    const trusted = cells.every((cell) => {
      const outputs = cell.outputs;
      if (Array.isArray(outputs) && outputs.length === 0) return true;
      return (cell.metadata as Dict | undefined)?.trusted === true;
    });
    const stripped = withTrust(notebook, ({ trusted: _, ...metadata }) => metadata);
    if (trusted) await this.remember(stripped);
    return stripped;
  }

  private sign(notebook: Dict): string {
    const bare = withTrust(notebook, ({ trusted: _, ...metadata }) => metadata);
    return createHmac('sha256', this.secret).update(formatNotebook(bare)).digest('hex');
  }

  /** Trusts a notebook as it is. */
  async remember(notebook: Dict): Promise<void> {
    const signature = this.sign(notebook);
    if (this.signatures.has(signature)) return;
    this.signatures.add(signature);
    for (const oldest of this.signatures) {
      if (this.signatures.size <= KEPT) break;
      this.signatures.delete(oldest);
    }
    await writeFile(this.file, `${[...this.signatures].join('\n')}\n`, { mode: 0o600 });
  }
}

function withTrust(notebook: Dict, change: (metadata: Dict) => Dict): Dict {
  const code = new Set(codeCells(notebook));
  const cells = (notebook.cells as Dict[] | undefined) ?? [];
  return {
    ...notebook,
    cells: cells.map((cell) =>
      code.has(cell) ? { ...cell, metadata: change((cell.metadata as Dict | undefined) ?? {}) } : cell,
    ),
  };
}
