import { FoveaError } from '@fovea/engine/errors';

/** A sound call of a function: its arguments, and where values of other kinds than those are sound as well. */
export interface SoundCall {
  readonly arguments: readonly unknown[];
  /**
   * Names of {@link wrongValues} that are no mistake, by place: `1` for an argument, `1.rate` for an option's field; with `!`
   * those that start what lasts. `whole` keeps an argument's fields as they are, `anything` leaves a place out.
   */
  readonly also?: Readonly<Record<string, string>>;
}

/** What people pass by mistake, and what code without types may pass on. */
export function wrongValues(sound: unknown): Readonly<Record<string, unknown>> {
  return {
    undefined: undefined,
    null: null,
    promise: Promise.resolve(sound),
    true: true,
    NaN: Number.NaN,
    '-1': -1,
    '0.5': 0.5,
    '1e300': 1e300,
    '2**53': 2 ** 53,
    Infinity: Number.POSITIVE_INFINITY,
    "''": '',
    "'text'": 'text',
    '10n': 10n,
    symbol: Symbol('wrong'),
    '[]': [],
    '{}': {},
    function: () => undefined,
    '[undefined]': [undefined],
    '[null]': [null],
    '[NaN]': [Number.NaN],
    'empty-floats': new Float32Array(0),
    bytes: new Uint8Array(3).fill(7),
    bare: Object.create(null),
  };
}

/** Values that are no mistake where one of the same type is sound; what is left out may always be undefined. */
function soundBeside(sound: unknown): readonly string[] {
  if (typeof sound === 'boolean') return ['true'];
  if (typeof sound === 'string') return ["''", "'text'"];
  if (typeof sound === 'function') return ['function'];
  if (isPlain(sound)) return ['{}', 'bare'];
  return Array.isArray(sound) ? ['[]'] : [];
}

const isPlain = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;

/**
 * Calls a function with every wrong value at every place of a sound call: in the place of each argument, and of each field
 * of those that are plain objects with few fields, as options are.
 * @returns the calls that were neither refused by a FoveaError nor sound
 */
export async function faultsOf(
  name: string,
  called: (...given: unknown[]) => unknown,
  { arguments: sound, also = {} }: SoundCall,
): Promise<string[]> {
  const faults: string[] = [];
  const check = async (place: string, was: unknown, put: (wrong: unknown) => readonly unknown[]) => {
    const fine = ['undefined', ...soundBeside(was), ...(also[place]?.split(' ') ?? [])];
    if (fine.includes('anything')) return;
    for (const [label, wrong] of Object.entries(wrongValues(was))) {
      if (fine.includes(`!${label}`)) continue;
      const problem = await problemOf(() => called(...put(wrong)));
      if (problem === 'is accepted' && fine.includes(label)) continue;
      if (problem !== undefined) faults.push(`${name} ${place} given ${label}: ${problem}`);
      else if (label === 'promise' && !place.includes('.') && !(await saysAwait(() => called(...put(wrong)))))
        faults.push(`${name} ${place} given a promise: does not say to await it`);
    }
  };
  for (const [i, argument] of sound.entries()) {
    const given = (wrong: unknown) => sound.map((each, at) => (at === i ? wrong : each));
    await check(String(i), argument, given);
    if (!isPlain(argument) || also[String(i)]?.includes('whole')) continue;
    for (const [field, value] of Object.entries(argument))
      await check(`${i}.${field}`, value, (wrong) => given({ ...argument, [field]: wrong }));
  }
  return faults;
}

/** Why a call is no refusal in the words of the house. */
async function problemOf(call: () => unknown): Promise<string | undefined> {
  try {
    await call();
    return 'is accepted';
  } catch (error) {
    if (error instanceof FoveaError) return error.code === 'aborted' ? 'is accepted' : undefined;
    return `throws ${String(error)}`;
  }
}

async function saysAwait(call: () => unknown): Promise<boolean> {
  try {
    await call();
  } catch (error) {
    return /await/.test((error as Error).message);
  }
  return true;
}
