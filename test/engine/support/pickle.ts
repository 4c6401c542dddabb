import { zipSync } from 'fflate';

/** A tensor to be pickled: a view of a storage of float32 values. */
export interface PickleTensor {
  readonly storage: string;
  readonly offset?: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

/** Opcodes for a value, in protocol 2, as `torch.save` writes them. */
export function opcodes(value: unknown): string {
  if (typeof value === 'number') return Number.isInteger(value) ? `I${value}\n` : `F${value}\n`;
  if (typeof value === 'string') return `V${value}\n`;
  if (Array.isArray(value)) return `(${value.map(opcodes).join('')}t`;
  if (value instanceof Map) return `}(${[...value].flat().map(opcodes).join('')}u`;
  const { storage, offset = 0, shape, strides } = value as PickleTensor;
  const id = `(Vstorage\nctorch\nFloatStorage\n${opcodes(storage)}Vcpu\nI1\ntQ`;
  return `ctorch._utils\n_rebuild_tensor_v2\n(${id}${[offset, [...shape], [...strides]].map(opcodes).join('')}I00\n}tR`;
}

const bytes = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));

/** The zip archive of `torch.save`, of a pickle's opcodes and storages. */
export function torchZip(
  pickle: string,
  storages: Readonly<Record<string, Float32Array>> = {},
  others: Readonly<Record<string, Uint8Array>> = {},
  level: 0 | 9 = 0,
): Uint8Array {
  const data = Object.fromEntries(
    Object.entries(storages).map(([key, values]) => [`archive/data/${key}`, new Uint8Array(values.buffer)]),
  );
  return zipSync({ 'archive/data.pkl': bytes(`\x80\x02${pickle}.`), ...data, ...others }, { level });
}
