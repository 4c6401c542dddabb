import type { Stats } from 'node:fs';
import { type FileHandle, open, readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { FoveaError } from '@fovea/engine/errors';
import {
  type LockOptions,
  makeFolder,
  type Release,
  refusal,
  takeLock,
  writeRefusal,
} from '@fovea/engine/files';
import { canonicalJson, type PointRecord } from '../point.js';
import type { SweepSpace } from '../space/space.js';

/** A line that says what the sweep covers; the last one counts. */
interface SpaceLine {
  readonly sweep: string;
  readonly space: SweepSpace;
  /** How many points that has. */
  readonly points: number;
  /** Content hashes of the networks and manifests that these name. */
  readonly materials?: readonly string[];
  /** Ids of the records before it that are of no point of this space: an earlier space of that name had them. */
  readonly others?: readonly string[];
}

/** What a journal holds. */
export interface JournalContent {
  readonly records: Map<string, PointRecord>;
  readonly space?: SweepSpace | undefined;
  readonly points: number;
  readonly materials: readonly string[];
  /** Ids of records that are of no point of the space. */
  readonly others: readonly string[];
}

const NEWLINE = 0x0a;

/** Shortest time between two requests that the disk keeps what was written, which takes milliseconds. */
const syncMs = 200;

/**
 * The records of one sweep in a file, one JSON line each. A record counts from the moment its line is complete: a process
 * that dies while it writes leaves half a line, which the next one cuts off.
 */
export class Journal {
  #content: JournalContent = { records: new Map(), points: 0, materials: [], others: [] };
  #bytes = 0;
  #writing: Promise<void> = Promise.resolve();
  #sync: NodeJS.Timeout | undefined;

  private constructor(
    readonly path: string,
    private readonly sweep: string,
    private file: FileHandle,
    private readonly unlock: Release,
  ) {}

  /**
   * Opens a journal, with what earlier runs left in it.
   * @param lock how its lock is taken
   * @throws FoveaError `bad-argument` while another process has it open, `io` when it cannot be read or written
   */
  static async open(path: string, sweep: string, lock: LockOptions = {}): Promise<Journal> {
    const unlock = await takeLock(`${path}.lock`, `sweep ${sweep}`, lock);
    try {
      const journal = new Journal(path, sweep, await open(path, 'a+'), unlock);
      await journal.#load();
      return journal;
    } catch (error) {
      await unlock();
      throw asJournalError(path, error);
    }
  }

  /**
   * What a journal holds now, whether or not another process writes it.
   * @returns undefined when there is none
   * @throws FoveaError `io` when it cannot be read
   */
  static async read(path: string): Promise<JournalContent | undefined> {
    try {
      return parsed(await readFile(path, 'utf8'));
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw new FoveaError('io', `cannot read the journal ${path}: ${refusal(cause, 'file')}`, { cause });
    }
  }

  get records(): Map<string, PointRecord> {
    return this.#content.records;
  }

  get space(): SweepSpace | undefined {
    return this.#content.space;
  }

  /** How many points the space has. */
  get points(): number {
    return this.#content.points;
  }

  /** Content hashes of what the points name. */
  get materials(): readonly string[] {
    return this.#content.materials;
  }

  /** Ids of records that are of no point of the space. */
  get others(): readonly string[] {
    return this.#content.others;
  }

  /**
   * Records what the sweep covers, and which files its points name by their content.
   * @param points their ids
   */
  async describe(
    sweep: string,
    space: SweepSpace,
    points: readonly string[],
    materials: readonly string[] = [],
  ): Promise<void> {
    const { records, ...known } = this.#content;
    const own = new Set(points);
    const others = [...records.keys()].filter((id) => !own.has(id));
    const described = { space, points: own.size, materials, others };
    if (canonicalJson(described) === canonicalJson(known)) return;
    await this.#append({ sweep, ...described } satisfies SpaceLine);
    this.#content = { records, ...described };
  }

  /**
   * Adds the record of a point that has ended.
   * @throws FoveaError `io` when the disk is full, say, or another process has the sweep by now; the lines before are whole then
   */
  async add(record: PointRecord): Promise<void> {
    await this.#append(record);
    this.records.set(record.id, record);
  }

  /** Waits for pending writes, and releases the file. */
  async close(): Promise<void> {
    clearTimeout(this.#sync);
    await this.#writing.catch(() => undefined);
    await this.file.sync().catch(() => undefined);
    await this.file.close();
    await this.unlock();
  }

  async #load(): Promise<void> {
    const content = await this.file.readFile();
    this.#bytes = content.lastIndexOf(NEWLINE) + 1;
    if (this.#bytes < content.length) await this.file.truncate(this.#bytes);
    this.#content = parsed(content.toString('utf8', 0, this.#bytes));
  }

  #append(value: unknown): Promise<void> {
    const line = Buffer.from(`${JSON.stringify(value)}\n`);
    this.#writing = this.#writing.then(() => this.#write(line));
    return this.#writing;
  }

  async #write(line: Buffer): Promise<void> {
    if (await this.unlock.isLost())
      throw new FoveaError(
        'io',
        `sweep ${this.sweep} is another machine's by now, which had heard nothing of this one for a minute; start it again when that has ended`,
      );
    try {
      await this.#restore();
      await this.#put(line);
      this.#sync ??= setTimeout(() => {
        this.#sync = undefined;
        this.file.datasync().catch(() => undefined);
      }, syncMs).unref();
    } catch (error) {
      // Half a line may be there: without it the file is as it was before.
      await this.file.truncate(this.#bytes).catch(() => undefined);
      throw asJournalError(this.path, error);
    }
  }

  async #put(lines: Buffer): Promise<void> {
    for (let at = 0; at < lines.length; ) at += (await this.file.write(lines, at)).bytesWritten;
    this.#bytes += lines.length;
  }

  /**
   * Writes what is known again where the file was removed or cut while it was open: what is written to it would be lost.
   * What is left of a file that was cut stays before that, so that a full disk takes nothing more away.
   * @throws FoveaError `io` when another file is in its place
   */
  async #restore(): Promise<void> {
    const [own, there] = [await this.file.stat(), await statIfThere(this.path)];
    const isOwn = there?.ino === own.ino && there.dev === own.dev;
    if (isOwn && there.size >= this.#bytes) return;
    if (there && !isOwn) throw new FoveaError('io', `${this.path} was replaced by another file meanwhile`);
    this.#bytes = isOwn ? there.size : 0;
    if (!isOwn) {
      makeFolder(dirname(this.path));
      const file = await open(this.path, 'ax+');
      await this.file.close();
      this.file = file;
    }
    const { records, space, ...known } = this.#content;
    const lines = [...(space ? [{ sweep: this.sweep, space, ...known }] : []), ...records.values()];
    const end = this.#bytes > 0 ? '\n' : '';
    await this.#put(Buffer.from(end + lines.map((line) => `${JSON.stringify(line)}\n`).join('')));
  }
}

async function statIfThere(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** A line that cannot be read loses its own point, which then runs again, and no other. */
function parsed(text: string): JournalContent {
  const records = new Map<string, PointRecord>();
  let described: Omit<JournalContent, 'records'> = { points: 0, materials: [], others: [] };
  for (const line of text.split('\n')) {
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      continue;
    }
    if (typeof value !== 'object' || value === null) continue;
    if ('space' in value) {
      const { space, points = 0, materials = [], others = [] } = value as SpaceLine;
      described = { space, points, materials, others };
    } else if ('id' in value && 'status' in value) {
      const record = value as PointRecord;
      records.set(record.id, record);
    }
  }
  return { records, ...described };
}

function asJournalError(path: string, error: unknown): unknown {
  if (error instanceof FoveaError) return error;
  return new FoveaError(
    'io',
    `cannot write the journal ${path}: ${writeRefusal(error)}; its content is kept, and a restarted sweep continues from there`,
    { cause: error },
  );
}
