/** Values that have broken readers before. */
const interesting = [0, 1, 2, 0x0a, 0x12, 0x3a, 0x7b, 0x7d, 0x7f, 0x80, 0xfe, 0xff];

/**
 * A copy of a file with seeded damage: bytes changed, cut out, repeated, moved, or the end missing.
 * @param {Uint8Array} whole
 * @param {import('@fovea/engine').Random} random
 */
export function mutate(whole, random) {
  let bytes = whole.slice();
  for (let i = 1 + random.below(6); i > 0 && bytes.length > 1; i--) {
    // Structure is at the beginning of small parts all over the file; headers are at the very beginning.
    const at = random.below(3) === 0 ? random.below(Math.min(bytes.length, 300)) : random.below(bytes.length);
    const length = Math.min(1 + random.below(32), bytes.length - at);
    switch (random.below(7)) {
      case 0:
        bytes[at] = random.below(256);
        break;
      case 1:
        bytes[at] = interesting[random.below(interesting.length)];
        break;
      case 2:
        bytes[at] ^= 1 << random.below(8);
        break;
      case 3:
        bytes = joined(bytes.subarray(0, at), bytes.subarray(at + length));
        break;
      case 4:
        bytes = joined(bytes.subarray(0, at + length), bytes.subarray(at));
        break;
      case 5:
        bytes.copyWithin(at, random.below(bytes.length), bytes.length);
        break;
      default:
        bytes = bytes.slice(0, random.below(4) === 0 ? at : bytes.length);
    }
  }
  return bytes;
}

/** @param {Uint8Array} a @param {Uint8Array} b */
function joined(a, b) {
  const bytes = new Uint8Array(a.length + b.length);
  bytes.set(a);
  bytes.set(b, a.length);
  return bytes;
}
