import { FoveaError } from '../../../errors.js';
import { formatOf } from './globals.js';
import { PickledStorage } from './tensors.js';
import { unpickle } from './unpickle.js';
import { ZipArchive } from './zip.js';

/** What a checkpoint's pickle says, and where the values of its tensors lie. */
export interface PickledFile {
  /** File name, for messages. */
  readonly source: string;
  /** Size of the file. */
  readonly bytes: number;
  readonly value: unknown;
  /** Bytes of a storage by its key; undefined when the file lacks it. */
  readonly storage: (key: string) => Uint8Array | undefined;
}

/** Larger descriptions are no state dict's; they take many times their size in memory. */
const largestPickleBytes = 32 * 2 ** 20;

/** The number with which files begin that PyTorch before 1.6 wrote, as a pickle of its own. */
const legacyMagic = [
  0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e,
];

const startsWith = (bytes: Uint8Array, start: readonly number[]) =>
  start.every((byte, i) => bytes[i] === byte);

const isZip = (bytes: Uint8Array) => startsWith(bytes, [0x50, 0x4b, 0x03, 0x04]);

/** True when the bytes begin as a file does that `torch.save` wrote, or any other pickle. */
export function looksLikePyTorch(bytes: Uint8Array): boolean {
  return isZip(bytes) || (bytes[0] === 0x80 && bytes[1]! <= 5);
}

/**
 * Reads a file of `torch.save`, in the zip format or the one before it, as data: nothing in it is executed.
 * @throws FoveaError `bad-file` when it is damaged, `unsupported` when it holds more than data or no tensors' format
 */
export function readPyTorch(bytes: Uint8Array, source: string): PickledFile {
  if (isZip(bytes)) return readZip(bytes, source);
  if (startsWith(bytes, legacyMagic)) return readLegacy(bytes, source);
  throw new FoveaError(
    'unsupported',
    `${source} is a pickle that torch.save did not write; save the weights with torch.save(model.state_dict(), "weights.pth")`,
  );
}

function readZip(bytes: Uint8Array, source: string): PickledFile {
  const archive = new ZipArchive(bytes, source);
  const pickle = [...archive.names].find((name) => /^[^/]+\/data\.pkl$/.test(name));
  if (pickle === undefined) {
    throw new FoveaError(
      'unsupported',
      `${source} is a zip archive, but holds no data.pkl as torch.save writes it`,
    );
  }
  const folder = pickle.slice(0, -'data.pkl'.length);
  if (archive.has(`${folder}constants.pkl`)) {
    throw new FoveaError(
      'unsupported',
      `${source} is a TorchScript program; export it to ONNX, or save its state_dict() with torch.save`,
    );
  }
  const order = archive.read(`${folder}byteorder`);
  if (order && new TextDecoder().decode(order) !== 'little') {
    throw new FoveaError(
      'unsupported',
      `${source} was written by a big-endian machine; little-endian is read`,
    );
  }
  const description = archive.read(pickle)!;
  if (description.length > largestPickleBytes) {
    throw new FoveaError(
      'unsupported',
      `${source}: its data.pkl has ${description.length} bytes; at most ${largestPickleBytes} are read`,
    );
  }
  const { value } = unpickle(description, source, (id) => storageOf(id, source));
  return {
    source,
    bytes: bytes.length,
    value,
    storage: (key) => archive.read(`${folder}data/${key}`),
  };
}

/** Pickles one after the other: a magic number, a version, the machine, the object, the keys; then the storages. */
function readLegacy(bytes: Uint8Array, source: string): PickledFile {
  const next = (start: number, persistent: (id: unknown) => unknown) =>
    unpickle(bytes, source, persistent, start);
  const none = () => null;
  const version = next(legacyMagic.length, none);
  const machine = next(version.end, none);
  if (machine.value instanceof Map && machine.value.get('little_endian') === false) {
    throw new FoveaError(
      'unsupported',
      `${source} was written by a big-endian machine; little-endian is read`,
    );
  }
  const sizes = new Map<string, number>();
  const object = next(machine.end, (id) => {
    const storage = storageOf(id, source);
    sizes.set(storage.key, storage.valueBytes);
    return storage;
  });
  const keys = next(object.end, none);
  const storages = legacyStorages(bytes, keys.end, keys.value, sizes, source);
  return { source, bytes: bytes.length, value: object.value, storage: (key) => storages.get(key) };
}

function legacyStorages(
  bytes: Uint8Array,
  start: number,
  keys: unknown,
  sizes: ReadonlyMap<string, number>,
  source: string,
): Map<string, Uint8Array> {
  const cut = () =>
    new FoveaError('bad-file', `${source} is cut off: its tensors' values end at byte ${bytes.length}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const storages = new Map<string, Uint8Array>();
  let at = start;
  for (const key of Array.isArray(keys) ? keys : []) {
    const size = sizes.get(String(key));
    if (size === undefined || at + 8 > bytes.length) throw cut();
    const length = Number(view.getBigUint64(at, true)) * size;
    if (!(at + 8 + length <= bytes.length)) throw cut();
    storages.set(String(key), bytes.subarray(at + 8, at + 8 + length));
    at += 8 + length;
  }
  return storages;
}

/** `('storage', class, key, device, count)`, and in the older format the view of another storage that it is. */
function storageOf(id: unknown, source: string): PickledStorage {
  const [kind, type, key, , , view] = Array.isArray(id) ? id : [];
  if (kind !== 'storage' || (typeof key !== 'string' && typeof key !== 'number')) {
    throw new FoveaError('bad-file', `${source}: its pickle refers to something that is no storage`);
  }
  const offset =
    Array.isArray(view) && Number.isSafeInteger(view[1]) && view[1] >= 0 ? (view[1] as number) : 0;
  return new PickledStorage(String(key), formatOf(type), offset);
}
