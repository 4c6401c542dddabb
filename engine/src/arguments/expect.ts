import { didYouMean } from '../did-you-mean.js';
import { FoveaError } from '../errors.js';
import type { Kind } from './kinds.js';
import { isPromise, said } from './said.js';

/** The kind of every field of some options; the compiler asks for those that are new. */
export type Kinds<Options> = { readonly [Field in keyof Options]-?: Kind };

/**
 * Checks an argument of a public function, where it comes in: what is behind may then rely on its type.
 * @param where the function and the argument, for the message: `run: input`
 * @returns the value
 * @throws FoveaError `bad-argument` naming the value and what is accepted
 */
export function expectArgument<Value>(value: Value, { accepted, holds }: Kind, where: string): Value {
  if (holds(value)) return value;
  const way = isPromise(value) ? '; put "await" before it' : '';
  throw new FoveaError('bad-argument', `${where} ${said(value)}; ${accepted} is accepted${way}`);
}

/** As {@link expectArgument}, for one that may be left out. */
export function expectOptional<Value>(value: Value, kind: Kind, where: string): Value {
  return value === undefined ? value : expectArgument(value, kind, where);
}

/**
 * Checks the options of a public function: that it is an object, that it has no fields but those known, because the name of
 * an option that is passed over in silence is most often a slip, and every field that is not undefined.
 * @param where the function, for the message
 * @returns the options
 * @throws FoveaError `bad-argument` naming the field, its value and what is accepted
 */
export function expectOptions<Options extends object>(
  options: Options,
  kinds: Kinds<Options>,
  where: string,
): Options {
  expectArgument(options, anOptionsObject, `${where}: options`);
  expectFields(options, kinds, where);
  for (const field of Object.keys(options)) {
    if (Object.hasOwn(kinds, field)) continue;
    const known = Object.keys(kinds);
    throw new FoveaError(
      'bad-argument',
      `${where}: an option "${field}"; ${known.join(', ')} are accepted${didYouMean(field, known)}`,
    );
  }
  return options;
}

/** As {@link expectOptions}, for objects that may have other fields as well. */
export function expectFields<Fields extends object>(
  value: Fields,
  kinds: Partial<Kinds<Fields>>,
  where: string,
): Fields {
  expectArgument(value, anOptionsObject, where);
  for (const field in kinds) {
    const given = value[field];
    if (given !== undefined) expectArgument(given, kinds[field]!, `${where}: ${field}`);
  }
  return value;
}

const anOptionsObject: Kind = {
  accepted: 'an object of options',
  holds: (value) =>
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !ArrayBuffer.isView(value) &&
    !isPromise(value),
};
