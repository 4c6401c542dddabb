import { FoveaError } from '../../../errors.js';

/** Integers longer than this are none that a checkpoint needs, and take long to convert. */
const longestInteger = 64;

/** A pickle's bytes, read one operand after another; reading past the end is refused. */
export class PickleBytes {
  readonly #view: DataView;

  constructor(
    readonly bytes: Uint8Array,
    public position: number,
    readonly source: string,
  ) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  byte(): number {
    return this.bytes[this.#advance(1)]!;
  }

  /** A view of the next bytes. */
  take(length: number): Uint8Array {
    const at = this.#advance(length);
    return this.bytes.subarray(at, at + length);
  }

  /** A little-endian integer without sign, of 1, 2, 4 or 8 bytes. */
  integer(size: 1 | 2 | 4 | 8): number {
    const at = this.#advance(size);
    if (size === 1) return this.#view.getUint8(at);
    if (size === 2) return this.#view.getUint16(at, true);
    return size === 4 ? this.#view.getUint32(at, true) : Number(this.#view.getBigUint64(at, true));
  }

  float(): number {
    return this.#view.getFloat64(this.#advance(8));
  }

  /** A little-endian integer in two's complement, as a number where it is exact. */
  long(length: number): number | bigint {
    if (length > longestInteger) this.#fail(`an integer of ${length} bytes`);
    const bytes = this.take(length);
    let value = 0n;
    for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]!);
    return exact(BigInt.asIntN(8 * length, value));
  }

  /** An integer in digits; `00` and `01` are the truth values of old pickles. */
  decimal(): number | bigint | boolean {
    const text = this.line().replace(/L$/, '');
    if (text === '00' || text === '01') return text === '01';
    if (text.length > longestInteger || !/^-?\d+$/.test(text)) this.#fail(`the integer ${text.slice(0, 40)}`);
    return exact(BigInt(text));
  }

  line(): string {
    const end = this.bytes.indexOf(0x0a, this.position);
    if (end < 0) this.#fail('a line without an end');
    const text = decodeText(this.bytes.subarray(this.position, end));
    this.position = end + 1;
    return text;
  }

  #advance(length: number): number {
    const at = this.position;
    if (!(at + length <= this.bytes.length)) this.#fail('it is cut off');
    this.position = at + length;
    return at;
  }

  #fail(what: string): never {
    throw new FoveaError(
      'bad-file',
      `${this.source}: its pickle is damaged: ${what} at byte ${this.position}`,
    );
  }
}

function exact(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** Text in UTF-8; bytes that are none become the replacement character. */
export function decodeText(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
