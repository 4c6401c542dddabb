import { appendFile, rm, writeFile } from 'node:fs/promises';
import { HttpError } from '../http/errors.js';
import { putInPlace, temporaryName } from './save.js';

interface Upload {
  readonly temporary: string;
  next: number;
  timer: NodeJS.Timeout;
}

/** How long an unfinished upload is kept without a further chunk. */
const ABANDONED_MS = 10 * 60_000;

/**
 * Files that arrive in chunks numbered 1, 2, …, the last one -1. They grow in a hidden file and take their
 * place when complete, so that an interrupted upload leaves no half of a file under the real name.
 */
export class Uploads {
  private readonly running = new Map<string, Upload>();

  /**
   * Takes the next chunk of the file; resolves to whether it was the last one. A chunk that does not fit ends the
   * upload: the last one would otherwise complete a file with a hole.
   * @throws HttpError 400 for a chunk that does not follow the one before
   */
  async accept(file: string, chunk: number, data: Buffer): Promise<boolean> {
    if (chunk === 1) await this.begin(file);
    const upload = this.running.get(file);
    if (!upload || (chunk !== -1 && chunk !== upload.next)) {
      await this.abandon(file);
      throw new HttpError(400, `Chunk ${chunk} does not follow chunk ${(upload?.next ?? 1) - 1}`);
    }
    upload.next += 1;
    upload.timer.refresh();
    try {
      await appendFile(upload.temporary, data);
      if (chunk !== -1) return false;
      await putInPlace(upload.temporary, file);
      this.forget(file);
      return true;
    } catch (error) {
      await this.abandon(file);
      throw error;
    }
  }

  /** Drops all unfinished uploads. */
  async dispose(): Promise<void> {
    await Promise.all([...this.running.keys()].map((file) => this.abandon(file)));
  }

  /** Ends the file's upload, if one is running. */
  async abandon(file: string): Promise<void> {
    const upload = this.forget(file);
    if (upload) await rm(upload.temporary, { force: true }).catch(() => undefined);
  }

  private async begin(file: string): Promise<void> {
    await this.abandon(file);
    const temporary = temporaryName(file);
    await writeFile(temporary, '', { flag: 'wx' });
    const timer = setTimeout(() => void this.abandon(file), ABANDONED_MS);
    timer.unref();
    this.running.set(file, { temporary, next: 1, timer });
  }

  private forget(file: string): Upload | undefined {
    const upload = this.running.get(file);
    if (upload) clearTimeout(upload.timer);
    this.running.delete(file);
    return upload;
  }
}
