import { FoveaError, Random } from '@fovea/engine';
import { float32Of, parseSafetensors, readSafetensors, writeSafetensors } from '@fovea/engine/train';
import { describe, expect, it } from 'vitest';
import { halfToNumber, numberToHalf } from '../../../../engine/src/network/number-formats.js';

const text = new TextEncoder();

/** A file with any header, honest or not. */
function forged(header: unknown, data = new Uint8Array(0), claimed?: bigint): Uint8Array {
  const json = text.encode(typeof header === 'string' ? header : JSON.stringify(header));
  const file = new Uint8Array(8 + json.length + data.length);
  new DataView(file.buffer).setBigUint64(0, claimed ?? BigInt(json.length), true);
  file.set(json, 8);
  file.set(data, 8 + json.length);
  return file;
}

const entry = (dtype: string, shape: unknown, data_offsets: unknown) => ({
  a: { dtype, shape, data_offsets },
});

describe('safetensors', () => {
  it('reads back what it writes', () => {
    const values = Float32Array.from([1, -2.5, 3e-9, Infinity, 0, 7]);
    const file = parseSafetensors(
      writeSafetensors(
        { a: { shape: [2, 3], values }, b: { shape: [3], values: Uint8Array.from([1, 0, 1]) } },
        { made: 'here' },
      ),
      'x.safetensors',
    );
    expect(float32Of(file, 'a', [2, 3])).toEqual(values);
    expect(float32Of(file, 'b')).toEqual(Float32Array.from([1, 0, 1]));
    expect(file.metadata).toEqual({ made: 'here' });
  });

  it.each([
    ['F64', [0.5, -3], (view: DataView, i: number, v: number) => view.setFloat64(i * 8, v, true), 8],
    [
      'F16',
      [0.5, -3],
      (view: DataView, i: number, v: number) => view.setUint16(i * 2, numberToHalf(v), true),
      2,
    ],
    [
      'BF16',
      [0.5, -3],
      (view: DataView, i: number, v: number) => {
        const word = new DataView(new ArrayBuffer(4));
        word.setFloat32(0, v);
        view.setUint16(i * 2, word.getUint16(0), true);
      },
      2,
    ],
    ['I64', [5, -3], (view: DataView, i: number, v: number) => view.setBigInt64(i * 8, BigInt(v), true), 8],
    ['U8', [5, 250], (view: DataView, i: number, v: number) => view.setUint8(i, v), 1],
  ] as const)('converts %s to float32', (dtype, values, write, size) => {
    const data = new Uint8Array(values.length * size);
    const view = new DataView(data.buffer);
    for (const [i, value] of values.entries()) write(view, i, value);
    const file = parseSafetensors(forged(entry(dtype, [2], [0, data.length]), data), 'x');
    expect(Array.from(float32Of(file, 'a'))).toEqual([...values]);
  });

  it('keeps every half-precision number through a round trip', () => {
    for (let bits = 0; bits < 0x10000; bits++) {
      const value = halfToNumber(bits);
      if (Number.isNaN(value)) expect(Number.isNaN(halfToNumber(numberToHalf(value)))).toBe(true);
      else expect(numberToHalf(value)).toBe(bits);
    }
  });

  it.each([
    ['empty', new Uint8Array(0), /0 bytes are too few/],
    ['seven bytes', new Uint8Array(7), /7 bytes are too few/],
    ['a header longer than the file', forged({}, undefined, 1000n), /claims 1000 bytes, at most 2/],
    ['a header of 2^63 bytes', forged({}, undefined, 2n ** 63n), /claims 9223372036854775808 bytes/],
    ['no JSON', forged('{"a":'), /not valid JSON/],
    ['deeply nested JSON', forged(`{"a":${'['.repeat(20_000)}`), /not valid JSON/],
    ['a JSON list', forged('[]'), /not a JSON object/],
    [
      'an unknown dtype',
      forged(entry('F128', [1], [0, 16]), new Uint8Array(16)),
      /dtype "F128"; known are F64/,
    ],
    ['a dtype from Object.prototype', forged(entry('constructor', [1], [0, 1]), new Uint8Array(1)), /dtype/],
    ['a negative extent', forged(entry('F32', [-1], [0, 4]), new Uint8Array(4)), /shape \[-1\]/],
    ['a fractional extent', forged(entry('F32', [0.5], [0, 2]), new Uint8Array(2)), /shape \[0.5\]/],
    ['huge extents', forged(entry('F32', [2 ** 40, 2 ** 40], [0, 4]), new Uint8Array(4)), /needs \d/],
    ['data beyond the end', forged(entry('F32', [2], [0, 8]), new Uint8Array(4)), /outside the 4 bytes/],
    ['reversed offsets', forged(entry('F32', [1], [4, 0]), new Uint8Array(4)), /lies at 4…0/],
    [
      'too little data',
      forged(entry('F32', [2], [0, 4]), new Uint8Array(4)),
      /needs 8 bytes of F32, its data has 4/,
    ],
    ['a hole', forged(entry('F32', [1], [4, 8]), new Uint8Array(8)), /bytes 0…4 belong to no array/],
    ['a tail', forged(entry('F32', [1], [0, 4]), new Uint8Array(8)), /bytes 4…8 belong to no array/],
    [
      'an overlap',
      forged(
        {
          a: { dtype: 'U8', shape: [3], data_offsets: [0, 3] },
          b: { dtype: 'U8', shape: [2], data_offsets: [2, 4] },
        },
        new Uint8Array(4),
      ),
      /"b" overlaps/,
    ],
    ['metadata that is no text', forged({ __metadata__: { a: 1 } }), /__metadata__.a is not a string/],
  ])('refuses %s', (_, bytes, message) => {
    expect(() => parseSafetensors(bytes, 'x.safetensors')).toThrow(message);
    expect(() => parseSafetensors(bytes, 'x.safetensors')).toThrow(FoveaError);
  });

  it('names a file that is not there', async () => {
    await expect(readSafetensors('/nowhere/x.safetensors')).rejects.toThrow(/nowhere.*no such file/);
  });

  it('refuses a device that never ends', async () => {
    await expect(readSafetensors('/dev/zero')).rejects.toThrow(/not an ordinary file/);
  });

  it('reads or refuses every damaged file, and nothing else', () => {
    const random = new Random(11);
    const whole = writeSafetensors({
      'layer1.weight': { shape: [4, 2], values: new Float32Array(8) },
      'layer1.bias': { shape: [4], values: new Float32Array(4) },
    });
    for (let round = 0; round < 3000; round++) {
      const damaged = whole.slice(0, random.below(4) === 0 ? random.below(whole.length) : whole.length);
      for (let i = random.below(6); i >= 0 && damaged.length > 0; i--) {
        damaged[random.below(damaged.length)] = random.below(256);
      }
      try {
        const file = parseSafetensors(damaged, 'damaged');
        for (const name of file.tensors.keys()) float32Of(file, name);
      } catch (error) {
        expect(error).toBeInstanceOf(FoveaError);
      }
    }
  });
});
