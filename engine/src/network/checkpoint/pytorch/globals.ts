import { bytesPerValue, type NumberFormat, toNumbers } from '../../number-formats.js';
import { PickledStorage, PickledTensor } from './tensors.js';

type Fail = (what: string) => never;

/** A class or function that a pickle names and that makes up data. */
export interface Global {
  readonly name: string;
  /** The value that calling it gives. */
  readonly make?: (args: readonly unknown[], fail: Fail) => unknown;
}

export function callable(value: unknown): value is Required<Global> {
  return typeof value === 'object' && value !== null && typeof (value as Global).make === 'function';
}

/** Number formats by PyTorch's names for its storages. */
const storageFormats: Readonly<Record<string, NumberFormat>> = {
  DoubleStorage: 'F64',
  FloatStorage: 'F32',
  HalfStorage: 'F16',
  BFloat16Storage: 'BF16',
  LongStorage: 'I64',
  IntStorage: 'I32',
  ShortStorage: 'I16',
  CharStorage: 'I8',
  ByteStorage: 'U8',
  BoolStorage: 'BOOL',
};

/** The same by its names for element types. */
const dtypeFormats: Readonly<Record<string, NumberFormat>> = {
  float64: 'F64',
  double: 'F64',
  float32: 'F32',
  float: 'F32',
  float16: 'F16',
  half: 'F16',
  bfloat16: 'BF16',
  int64: 'I64',
  long: 'I64',
  int32: 'I32',
  int: 'I32',
  int16: 'I16',
  short: 'I16',
  int8: 'I8',
  uint8: 'U8',
  bool: 'BOOL',
};

/** The number format of a storage class or an element type. */
export function formatOf(value: unknown): NumberFormat | undefined {
  const [, module, name] = /^(torch)\.(\w+)$/.exec((value as Global | undefined)?.name ?? '') ?? [];
  return module === undefined ? undefined : (storageFormats[name!] ?? dtypeFormats[name!]);
}

const opaque = (name: string) => ({ name, make: () => null });
const itself = ([value = null]: readonly unknown[]) => value;
const dict = () => new Map();
/** The very list that is given: copies of one list could fill the memory. */
const list = ([items]: readonly unknown[]) => (Array.isArray(items) ? items : []);

/** An object of which only the attributes count, such as the arguments of a training script. */
export class Namespace {
  attributes: ReadonlyMap<unknown, unknown> = new Map();
}

function counts(value: unknown, fail: Fail): number[] {
  const sane = (extent: unknown) => typeof extent === 'number' && Number.isSafeInteger(extent) && extent >= 0;
  if (Array.isArray(value) && value.length <= 16 && value.every(sane)) return value as number[];
  return fail('a tensor without a shape');
}

/** `_rebuild_tensor(storage, offset, size, stride, …)`, whatever follows. */
function tensor(args: readonly unknown[], fail: Fail, format?: NumberFormat): PickledTensor {
  const [storage, offset, size, stride] = args;
  if (!(storage instanceof PickledStorage)) return fail('a tensor without a storage');
  const [first] = counts([offset], fail);
  const [shape, strides] = [counts(size, fail), counts(stride, fail)];
  const known = format ?? storage.format;
  if (shape.length !== strides.length || !known) return fail('a tensor without strides or an element type');
  return new PickledTensor(storage, known, first!, shape, strides);
}

/** Number formats by NumPy's codes. */
const numpyFormats: Readonly<Record<string, NumberFormat>> = {
  ...{ f8: 'F64', f4: 'F32', f2: 'F16', i8: 'I64', i4: 'I32', i2: 'I16', i1: 'I8' },
  ...{ u8: 'U64', u4: 'U32', u2: 'U16', u1: 'U8', b1: 'BOOL' },
} as const;

/** A NumPy scalar, of an element type and its bytes. */
function scalar([dtype, bytes]: readonly unknown[]): unknown {
  const format = numpyFormats[String((dtype as { code?: unknown } | null)?.code)];
  if (!format || !(bytes instanceof Uint8Array) || bytes.length !== bytesPerValue[format]) return null;
  return toNumbers(bytes, format)[0]!;
}

/** Longest text that is turned into bytes: scalars need eight, and no longer bytes are of use. */
const longestEncoded = 16;

/** `codecs.encode(text, 'latin1')`: how Python 3 writes bytes in old protocols. */
function encoded([text]: readonly unknown[]): unknown {
  return typeof text === 'string' && text.length <= longestEncoded
    ? Uint8Array.from(text, (character) => character.charCodeAt(0))
    : null;
}

const makers: Readonly<Record<string, Required<Global>['make']>> = {
  'collections.OrderedDict': dict,
  'collections.defaultdict': dict,
  'argparse.Namespace': () => new Namespace(),
  '__builtin__.dict': dict,
  'builtins.dict': dict,
  '__builtin__.set': list,
  'builtins.set': list,
  'builtins.frozenset': list,
  'builtins.list': list,
  'builtins.tuple': list,
  'copy_reg._reconstructor': ([made], fail) => (callable(made) ? made.make([], fail) : null),
  'copyreg._reconstructor': ([made], fail) => (callable(made) ? made.make([], fail) : null),
  '_codecs.encode': encoded,
  'torch._utils._rebuild_tensor': (args, fail) => tensor(args, fail),
  'torch._utils._rebuild_tensor_v2': (args, fail) => tensor(args, fail),
  'torch._utils._rebuild_tensor_v3': (args, fail) => tensor(args, fail, formatOf(args[6])),
  'torch._utils._rebuild_parameter': itself,
  'torch._utils._rebuild_parameter_with_state': itself,
  'torch.nn.parameter.Parameter': itself,
  'torch.nn.parameter.Buffer': itself,
  'torch._tensor._rebuild_from_type_v2': ([made, , args], fail) =>
    callable(made) && Array.isArray(args) ? made.make(args, fail) : fail('a tensor of an unknown kind'),
  'torch.Size': list,
  'torch.device': ([kind = null]) => kind,
  'numpy.dtype': ([code = null]) => ({ code }),
  'numpy.core.multiarray.scalar': scalar,
  'numpy._core.multiarray.scalar': scalar,
};

/** Data that no network needs: it is read over. */
const skipped = new Set([
  'numpy.core.multiarray._reconstruct',
  'numpy._core.multiarray._reconstruct',
  'numpy.ndarray',
  'builtins.object',
  '__builtin__.object',
  'builtins.int',
  'builtins.float',
  'torch.serialization._get_layout',
  'torch.storage.UntypedStorage',
  'torch.storage.TypedStorage',
  'torch.Tensor',
]);

/** The class or function of a name, if it is one of those that make up data. */
export function resolveGlobal(module: string, name: string): Global | undefined {
  const full = `${module}.${name}`;
  if (Object.hasOwn(makers, full)) return { name: full, make: makers[full]! };
  if (skipped.has(full)) return opaque(full);
  return formatOf({ name: full }) ? { name: full } : undefined;
}
