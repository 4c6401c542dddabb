import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { underLock } from '@fovea/engine/files';
import type { JsonObject } from '../../json-object.js';
import { OneByOne } from '../../one-by-one.js';
import { keptSecret } from '../security/kept-secret.js';
import { codeCells, formatNotebook } from './notebook.js';
import { saveAtomically } from './save.js';

/** How many signatures are kept; the oldest go first. */
const KEPT = 16_384;

/**
 * Which notebooks the user has seen run or has trusted. HTML and JavaScript in a saved output are shown only
 * for those: a notebook from elsewhere must not act with the user's login as soon as it is opened. Trust is an
 * HMAC over the notebook under a secret of this machine, as Jupyter does it.
 */
export class NotebookTrust {
  private readonly signatures: Set<string>;
  /** Two writings at once wait here for each other, and not for a look at the lock. */
  private readonly writings = new OneByOne();
  /** Whether the file may lack some that this lab knows: the disk was full, say. */
  private isBehind = false;

  private constructor(
    private readonly secret: Buffer,
    private readonly file: string,
    private readonly log: (line: string) => void,
  ) {
    this.signatures = new Set(storedLines(file));
  }

  /**
   * Opens the store in a private folder, and makes the secret on the first use.
   * @param log called with a line for the terminal when a saved notebook could not be remembered
   */
  static async open(folder: string, log: (line: string) => void = () => undefined): Promise<NotebookTrust> {
    const secret = await keptSecret(join(folder, 'notebook-secret'));
    return new NotebookTrust(secret, join(folder, 'notebook-signatures'), log);
  }

  /** A signed notebook's cells are marked as trusted; all others' marks are removed. */
  mark(notebook: JsonObject): JsonObject {
    const signature = this.sign(notebook);
    // Another lab of this user may have added it since.
    if (!this.signatures.has(signature)) this.readAgain();
    const trusted = this.signatures.has(signature);
    return withTrust(notebook, (metadata) => ({ ...metadata, trusted }));
  }

  /**
   * Strips the marks for saving, and signs the notebook when every code cell was trusted. A signature that cannot be
   * written, on a full disk, does not prevent saving: the notebook may be on another disk.
   */
  async strip(notebook: JsonObject): Promise<JsonObject> {
    const cells = codeCells(notebook);
    const trusted = cells.every((cell) => {
      const outputs = cell.outputs;
      if (Array.isArray(outputs) && outputs.length === 0) return true;
      return (cell.metadata as JsonObject | undefined)?.trusted === true;
    });
    const stripped = withTrust(notebook, ({ trusted: _, ...metadata }) => metadata);
    if (trusted) {
      await this.remember(stripped).catch((error: Error) => {
        this.log(`a saved notebook will not be trusted after the next start: ${error.message}`);
      });
    }
    return stripped;
  }

  private sign(notebook: JsonObject): string {
    const bare = withTrust(notebook, ({ trusted: _, ...metadata }) => metadata);
    return createHmac('sha256', this.secret).update(formatNotebook(bare)).digest('hex');
  }

  /** Trusts a notebook as it is. */
  async remember(notebook: JsonObject): Promise<void> {
    const signature = this.sign(notebook);
    if (this.signatures.has(signature) && !this.isBehind) return;
    this.signatures.add(signature);
    try {
      await this.writings.do(() =>
        underLock(`${this.file}.lock`, 'keeping trust', () => this.write(), { wait: true }),
      );
    } catch (error) {
      this.isBehind = true;
      throw error;
    }
  }

  /** Adds what other labs have kept. */
  private readAgain(): void {
    for (const line of storedLines(this.file)) this.signatures.add(line);
  }

  /** Keeps what this lab knows beside what others have kept, which write while this one does not. */
  private async write(): Promise<void> {
    const kept = linesOf(this.file);
    const own = [...this.signatures];
    this.signatures.clear();
    for (const signature of [...kept, ...own]) this.signatures.add(signature);
    for (const oldest of this.signatures) {
      if (this.signatures.size <= KEPT) break;
      this.signatures.delete(oldest);
    }
    await saveAtomically(this.file, `${[...this.signatures].join('\n')}\n`);
    this.isBehind = false;
  }
}

/** What is kept, as far as it can be read. */
function storedLines(file: string): string[] {
  try {
    return linesOf(file);
  } catch {
    return [];
  }
}

/** @throws Error for a file that is there and cannot be read: what it holds is not to be replaced then */
function linesOf(file: string): string[] {
  try {
    return readFileSync(file, 'utf8').split('\n').filter(Boolean);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

function withTrust(notebook: JsonObject, change: (metadata: JsonObject) => JsonObject): JsonObject {
  const code = new Set(codeCells(notebook));
  const cells = (notebook.cells as JsonObject[] | undefined) ?? [];
  return {
    ...notebook,
    cells: cells.map((cell) =>
      code.has(cell) ? { ...cell, metadata: change((cell.metadata as JsonObject | undefined) ?? {}) } : cell,
    ),
  };
}
