import { appendFile, realpath, rm, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { putFile, temporaryName } from '@fovea/engine/files';
import { HttpError } from '../http/errors.js';

interface Upload {
  /** The file itself, where the name is a link to it. */
  readonly target: string;
  readonly temporary: string;
  /** When the last chunk was taken. */
  last: number;
  next: number;
  timer: NodeJS.Timeout;
}

/** How long an unfinished upload is kept without a further chunk. */
const ABANDONED_MS = 10 * 60_000;

/** A client sends its next chunk as soon as it has the answer to the one before; after this long it has gone. */
const GONE_MS = 30_000;

/**
 * Files that arrive in chunks numbered 1, 2, …, the last one -1. They grow in a hidden file and take their
 * place when complete, so that an interrupted upload leaves no half of a file under the real name. Chunks say whose they
 * are by nothing but the file's name: two uploads of one name at once are both ended, so that their chunks do not mix.
 */
export class Uploads {
  private readonly running = new Map<string, Upload>();
  /** Requests to save a file that have begun and have not been answered. */
  private readonly saving = new Map<string, number>();

  constructor(private readonly now: () => number = () => performance.now()) {}

  /** Runs a request to save a file, known from before its body has arrived. */
  async during<T>(file: string, save: () => Promise<T>): Promise<T> {
    const count = (change: number) => (this.saving.get(file) ?? 0) + change;
    this.saving.set(file, count(1));
    try {
      return await save();
    } finally {
      if (count(-1) > 0) this.saving.set(file, count(-1));
      else this.saving.delete(file);
    }
  }

  /**
   * Takes the next chunk of the file; resolves to whether it was the last one. A chunk that does not fit ends the
   * upload: the last one would otherwise complete a file with a hole.
   * @throws HttpError 400 for a chunk that does not follow the one before, 409 beside another upload of the file
   */
  async accept(file: string, chunk: number, data: Buffer): Promise<boolean> {
    const before = this.running.get(file);
    const another = chunk === 1 && before !== undefined && this.now() - before.last < GONE_MS;
    if (another || (this.saving.get(file) ?? 0) > 1) {
      await this.abandon(file);
      throw new HttpError(
        409,
        `Another upload of ${basename(file)} began shortly before and has not ended: it is running elsewhere, or ` +
          'broke off. Both were ended, so that they do not mix; upload it once more',
      );
    }
    if (chunk === 1) await this.begin(file);
    const upload = this.running.get(file);
    if (!upload || (chunk !== -1 && chunk !== upload.next)) {
      await this.abandon(file);
      throw new HttpError(400, `Chunk ${chunk} does not follow chunk ${(upload?.next ?? 1) - 1}`);
    }
    upload.next += 1;
    upload.timer.refresh();
    upload.last = this.now();
    try {
      await appendFile(upload.temporary, data);
      if (chunk !== -1) return false;
      await putFile(upload.temporary, upload.target);
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
    const target = await realpath(file).catch(() => file);
    const temporary = temporaryName(target);
    await writeFile(temporary, '', { flag: 'wx' });
    const timer = setTimeout(() => void this.abandon(file), ABANDONED_MS);
    timer.unref();
    this.running.set(file, { target, temporary, last: this.now(), next: 1, timer });
  }

  private forget(file: string): Upload | undefined {
    const upload = this.running.get(file);
    if (upload) clearTimeout(upload.timer);
    this.running.delete(file);
    return upload;
  }
}
