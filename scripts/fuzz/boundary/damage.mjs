/** What the functions that the fuzzer passes throw; the addon passes it on. */
export const thrownOnPurpose = new Error('thrown on purpose');

/** Numbers that a size, an offset or a count may be replaced with. */
const numbersNear = (value, random) => [
  Number.NaN,
  Number.POSITIVE_INFINITY,
  -1,
  0,
  1,
  2,
  2.5,
  value + 1,
  value - 1,
  value * 2,
  -value,
  2 ** 16,
  2 ** 30,
  2 ** 31 - 1,
  2 ** 31,
  -(2 ** 31),
  2 ** 32,
  2 ** 53,
  1e300,
  random.below(64),
];

const arrayTypes = [Float32Array, Float64Array, Int32Array, Uint32Array, Uint8Array, BigInt64Array];

/** @param {import('@fovea/engine').Random} random @param {readonly unknown[]} handles of sessions and training programs */
export function damager(random, handles) {
  const pick = (list) => list[random.below(list.length)];

  /** A value of any type that no function asks for in this place. */
  const oddity = () =>
    pick([
      () => undefined,
      () => null,
      () => pick(numbersNear(random.below(100), random)),
      () => 'text',
      () => '',
      () => 'x\u0000y\ud800'.repeat(1 + random.below(200)),
      () => ({}),
      () => [],
      () => new Array(2 ** 32 - 1),
      () => () => 1,
      () => () => {
        throw thrownOnPurpose;
      },
      () => Symbol('odd'),
      () => 10n,
      () => true,
      () => new Proxy(pick(handles), {}),
      () => Object.create(pick(handles)),
      () => pick(handles),
      () => new DataView(new ArrayBuffer(8)),
      () => new ArrayBuffer(64),
      () => new (pick(arrayTypes))(random.below(64)),
    ])();

  /** A typed array whose memory, length or type is not what it was; `others` are arrays of the same call. */
  function damagedArray(array, others) {
    const Type = array.constructor;
    const bytes = array.byteLength;
    switch (random.below(11)) {
      case 0:
        return array.subarray(0, random.below(array.length + 1));
      case 1: {
        const longer = new Type(array.length + 1 + random.below(9));
        longer.set(array);
        return longer;
      }
      case 2:
        return new Type(0);
      case 3:
        return new (pick(arrayTypes.filter((other) => other !== Type)))(array.length);
      case 4: {
        const detached = array.slice();
        structuredClone(undefined, { transfer: [detached.buffer] });
        return detached;
      }
      case 5: {
        const buffer = new ArrayBuffer(bytes, { maxByteLength: Math.max(bytes, 1) });
        const resizable = new Type(buffer);
        resizable.set(array);
        buffer.resize(random.below(bytes + 1));
        return resizable;
      }
      case 6: {
        const shared = new Type(new SharedArrayBuffer(bytes));
        shared.set(array);
        return shared;
      }
      case 7: {
        // At an odd place of a larger array, whose other values must stay out of reach.
        const inside = new Type(array.length + 3).subarray(1, array.length + 1);
        inside.set(array);
        return inside;
      }
      case 8:
        return pick(others);
      case 9:
        return array.slice().fill(pick([0, 1, -1]));
      default: {
        const changed = array.slice();
        for (let change = random.below(4); change >= 0 && changed.length > 0; change--) {
          const at = random.below(changed.length);
          const near = numbersNear(changed[at], random);
          changed[at] = Type === Float64Array ? pick([...near, 1e12, changed[at] / 2]) : pick(near);
        }
        return changed;
      }
    }
  }

  /** A list with entries missing, added, exchanged or damaged. */
  function damagedList(list, arrays) {
    const changed = [...list];
    const at = random.below(changed.length + 1);
    switch (random.below(8)) {
      case 0:
        changed.length = at;
        break;
      case 1:
        changed.splice(at, 0, random.below(2) ? oddity() : changed[at]);
        break;
      case 2:
        if (at < changed.length) delete changed[at];
        break;
      case 3: {
        const other = random.below(changed.length + 1);
        [changed[at], changed[other]] = [changed[other], changed[at]];
        break;
      }
      default:
        if (at < changed.length) changed[at] = damaged(changed[at], arrays);
    }
    return changed;
  }

  /** An object with a property that is missing, damaged or a getter with an effect. */
  function damagedObject(object, arrays) {
    // One that has been damaged before may have a getter, which is not to be called here.
    const changed = Object.defineProperties({}, Object.getOwnPropertyDescriptors(object));
    const key = pick(Object.keys(changed));
    const { value } = Object.getOwnPropertyDescriptor(changed, key);
    switch (random.below(6)) {
      case 0:
        delete changed[key];
        break;
      case 1:
        Object.defineProperty(changed, key, {
          get() {
            if (random.below(2)) throw thrownOnPurpose;
            const { buffer } = arrays.length > 0 ? pick(arrays) : new Uint8Array(1);
            if (buffer instanceof ArrayBuffer) structuredClone(undefined, { transfer: [buffer] });
            return value;
          },
        });
        break;
      default: {
        const how = { writable: true, enumerable: true, configurable: true };
        Object.defineProperty(changed, key, { value: damaged(value, arrays), ...how });
      }
    }
    return changed;
  }

  function damaged(value, arrays) {
    if (random.below(6) === 0) return oddity();
    if (typeof value === 'number') return pick(numbersNear(value, random));
    if (isDamageable(value)) return damagedArray(value, arrays);
    if (Array.isArray(value) && value.length < 2 ** 20) return damagedList(value, arrays);
    const isPlain = value !== null && typeof value === 'object' && !handles.includes(value);
    if (isPlain && Object.keys(value).length > 0) return damagedObject(value, arrays);
    return oddity();
  }

  return {
    /** The arguments of a call, which are left as they are, with damage in one to three places. */
    damage(values) {
      let changed = copied(values);
      const arrays = arraysIn(changed);
      for (let times = random.below(3); times >= 0; times--) changed = damagedList(changed, arrays);
      return changed;
    },
  };
}

/** Whether a value is a typed array of numbers; an empty or detached one cannot be damaged any more. */
const isDamageable = (value) =>
  value instanceof Object.getPrototypeOf(Uint8Array) && !(value instanceof BigInt64Array) && value.length > 0;

/** The same values with typed arrays of their own; each that stands in several places stands there again. */
export function copied(value, known = new Map()) {
  if (ArrayBuffer.isView(value)) {
    if (!known.has(value)) known.set(value, value.slice());
    return known.get(value);
  }
  if (Array.isArray(value)) return value.map((entry) => copied(entry, known));
  if (value !== null && typeof value === 'object' && Object.getPrototypeOf(value) === Object.prototype) {
    const keys = Object.keys(value);
    // Sessions and training programs have no properties.
    if (keys.length > 0) return Object.fromEntries(keys.map((key) => [key, copied(value[key], known)]));
  }
  return value;
}

/** @returns all typed arrays in the arguments of a call */
export function arraysIn(value) {
  if (ArrayBuffer.isView(value)) return [value];
  if (Array.isArray(value)) return value.flatMap(arraysIn);
  return value !== null && typeof value === 'object' ? Object.values(value).flatMap(arraysIn) : [];
}
