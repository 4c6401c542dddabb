import { FoveaError } from '../../../errors.js';

/** Sizes of the records' fixed parts, and the numbers with which they begin (PKWARE's APPNOTE 6.3). */
const endBytes = 22;
const entryBytes = 46;
const localBytes = 30;
const signatures = {
  end: 0x06054b50,
  end64: 0x06064b50,
  locator64: 0x07064b50,
  entry: 0x02014b50,
  local: 0x04034b50,
};

/** A value of 32 bits that says: the real one has 64 and stands elsewhere. */
const elsewhere = 0xffffffff;

/** How far from its end an archive's last record can begin: behind it comes a comment of at most 65,535 bytes. */
const furthestEnd = endBytes + 65_535;

interface ZipEntry {
  readonly stored: boolean;
  readonly size: number;
  /** Place of its local header. */
  readonly at: number;
}

/**
 * The parts of a zip archive by name, as views; those that are compressed can be listed, not read. `torch.save` stores
 * all as they are. Nothing is copied, and no number in the archive is believed before it is checked.
 */
export class ZipArchive {
  readonly #view: DataView;
  readonly #entries = new Map<string, ZipEntry>();

  /** @throws FoveaError `bad-file` when its directory is damaged */
  constructor(
    readonly bytes: Uint8Array,
    readonly source: string,
  ) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let { at, count } = this.#directory();
    if (!(count * entryBytes <= bytes.length)) this.#fail(`it claims ${count} parts`);
    for (; count > 0; count--) at = this.#readEntry(at);
  }

  get names(): Iterable<string> {
    return this.#entries.keys();
  }

  has(name: string): boolean {
    return this.#entries.has(name);
  }

  /**
   * The bytes of a part; undefined when there is none of that name.
   * @throws FoveaError `bad-file` when it lies outside the archive, `unsupported` when it is compressed
   */
  read(name: string): Uint8Array | undefined {
    const entry = this.#entries.get(name);
    if (!entry) return undefined;
    if (!entry.stored) {
      throw new FoveaError(
        'unsupported',
        `${this.source}: its part ${JSON.stringify(name)} is compressed, which torch.save does not do`,
      );
    }
    const header = this.#record(entry.at, localBytes, signatures.local);
    const start = entry.at + localBytes + header.getUint16(26, true) + header.getUint16(28, true);
    if (!(start + entry.size <= this.bytes.length)) this.#fail(`${JSON.stringify(name)} lies outside it`);
    return this.bytes.subarray(start, start + entry.size);
  }

  /** Where the directory begins, and how many entries it has. */
  #directory(): { at: number; count: number } {
    const { length } = this.bytes;
    let end = length - endBytes;
    const first = Math.max(0, length - furthestEnd);
    while (end >= first && this.#view.getUint32(end, true) !== signatures.end) end--;
    if (end < first) this.#fail('it has no end record: is it cut off?');
    const count = this.#view.getUint16(end + 10, true);
    const at = this.#view.getUint32(end + 16, true);
    if (count !== 0xffff && at !== elsewhere) return { at, count };
    const locator = this.#record(end - 20, 20, signatures.locator64);
    const record = this.#record(Number(locator.getBigUint64(8, true)), 56, signatures.end64);
    return { at: Number(record.getBigUint64(48, true)), count: Number(record.getBigUint64(32, true)) };
  }

  /** @returns where the next entry begins */
  #readEntry(at: number): number {
    const header = this.#record(at, entryBytes, signatures.entry);
    const [nameBytes, extraBytes] = [header.getUint16(28, true), header.getUint16(30, true)];
    const next = at + entryBytes + nameBytes + extraBytes + header.getUint16(32, true);
    if (next > this.bytes.length) this.#fail('its directory is cut off');
    const extra = at + entryBytes + nameBytes;
    const name = new TextDecoder().decode(this.bytes.subarray(at + entryBytes, extra));
    const short = [header.getUint32(24, true), header.getUint32(20, true), header.getUint32(42, true)];
    const [, size, place] = this.#wide(short, extra, extra + extraBytes);
    this.#entries.set(name, { stored: header.getUint16(10, true) === 0, size: size!, at: place! });
    return next;
  }

  /** Sizes and places with those of 64 bits put in, which stand in a field of their own in the same order. */
  #wide(short: readonly number[], from: number, to: number): readonly number[] {
    if (!short.includes(elsewhere)) return short;
    for (let at = from; at + 4 <= to; at += 4 + this.#view.getUint16(at + 2, true)) {
      if (this.#view.getUint16(at, true) !== 1) continue;
      let next = at + 4;
      const end = Math.min(to, next + this.#view.getUint16(at + 2, true));
      return short.map((value) => {
        if (value !== elsewhere) return value;
        if (next + 8 > end) return this.#fail('a size of 64 bits is missing');
        next += 8;
        return Number(this.#view.getBigUint64(next - 8, true));
      });
    }
    return this.#fail('a size of 64 bits is missing');
  }

  #record(at: number, size: number, signature: number): DataView {
    const inside = at >= 0 && at + size <= this.bytes.length;
    if (!inside || this.#view.getUint32(at, true) !== signature)
      this.#fail(`no record of its own at byte ${at}`);
    return new DataView(this.bytes.buffer, this.bytes.byteOffset + at, size);
  }

  #fail(what: string): never {
    throw new FoveaError('bad-file', `${this.source} is a damaged zip archive: ${what}`);
  }
}
