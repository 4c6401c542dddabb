import type { Binding, Kernel } from '../kernel.js';
import { type ActivationKind, activationParameters } from './activation.js';
import { type FusionKind, type FusionTile, type Inner, windowOf, windowVectors } from './fusion.js';
import { placesOf, productCode, type Stored, sumsOf, unrolled } from './product.js';
import {
  convolutionBindings,
  convolutionParameters,
  type Epilogue,
  nameOf,
  placeCode,
  sumCode,
} from './rows.js';
import { isInactive, squareCode, squareOf, squareParameters } from './squares.js';

const functionsOf = ({ head, core }: FusionKind): Record<string, ActivationKind> => ({
  ...(head ? { headActivated: head.activation } : {}),
  ...(core.inner ? { coreActivated: core.inner.activation } : {}),
});

const headCode = `
fn placeAt(n: u32, y: u32, x: u32) -> vec4i {
  return vec4i(i32(n * p.height * p.width), i32(y * p.strideY) - i32(p.top), i32(x * p.strideX) - i32(p.left), 1);
}`;

/**
 * Two or three convolutions of one group of a plan in one dispatch: a head, a core of any kernel size, and a tail, which
 * is 1x1 over the core's pixels. A workgroup computes all that its pixels need and keeps it in workgroup memory, so that
 * what lies between the convolutions never reaches the GPU's own. Only the head is computed more than once: at the
 * pixels that the windows of neighbouring squares share.
 */
export function fusedKernel(tile: FusionTile, kind: FusionKind, epilogue: Epilogue): Kernel {
  const { family, rows, channels, rowsEach, side } = tile;
  const { head, core } = kind;
  const columns = channels / 4;
  const invocations = (rows / rowsEach) * columns;
  const inner = (name: string): Binding => ({ name, access: 'read', element: 'Value' });
  const code = new FusedCode(tile, kind, invocations);
  return {
    name: [
      family,
      ...(head ? [`head ${head.vectors} ${head.activation}`] : []),
      `${core.depthwise ? 'depthwise' : 'core'} ${core.inner ? `${core.inner.vectors} ${core.inner.activation}` : 'last'}`,
      // Without a head, the kernel's size is a parameter.
      ...(head ? [`${core.kernel.join('x')} ${core.stride.join('x')}`] : []),
      ...(kind.copies ? ['copies'] : []),
      nameOf(epilogue),
    ].join(', '),
    parameters: [
      ...convolutionParameters(epilogue),
      ...(core.inner ? ['coreBias'] : []),
      ...(head ? ['headBias', 'coreTop', 'coreLeft', ...squareParameters] : []),
      ...activationParameters(functionsOf(kind)),
    ],
    bindings: [
      ...convolutionBindings(epilogue).filter(({ name }) => !head || name !== 'counters'),
      ...(head ? [inner('headWeights'), { name: 'cells', access: 'read', element: 'u32' } as const] : []),
      ...(core.inner ? [inner('coreWeights')] : []),
    ],
    code: `${head ? '' : placeCode}
${sumCode(epilogue, functionsOf(kind))}
${head ? `${squareCode}${headCode}` : ''}
${code.memory()}

@compute @workgroup_size(${invocations})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let column = local % ${columns}u;
  let firstOwn = local / ${columns}u * ${rowsEach}u;
${side && head ? code.square(side) : placesOf(tile, invocations)}
${core.depthwise ? code.depthwise() : `${head ? code.head('0u', head.vectors) : ''}${code.core()}`}
${core.inner ? code.tail(core.inner) : ''}
}`,
  };
}

/** The parts of a kernel. */
class FusedCode {
  readonly #columns: number;
  readonly #window: { readonly height: number; readonly width: number; readonly pixels: number } | undefined;
  /** Vectors of a pixel of the window. */
  readonly #each: number;

  constructor(
    readonly tile: FusionTile,
    readonly kind: FusionKind,
    readonly invocations: number,
  ) {
    const { side, channels } = tile;
    this.#columns = channels / 4;
    this.#window = side && kind.head ? windowOf(side, kind.core) : undefined;
    this.#each = kind.head ? windowVectors(tile, kind) : 0;
  }

  memory(): string {
    const { rows, depth } = this.tile;
    const { inner } = this.kind.core;
    const array = (name: string, element: string, size: number) =>
      `var<workgroup> ${name}: array<${element}, ${size}>;`;
    return [
      array('places', 'vec4i', rows),
      array('sources', 'vec4f', rows * depth),
      array('slice', 'vec4f', 4 * depth * this.#columns),
      ...(this.#window
        ? [array('pixels', 'u32', rows), array('window', 'Value', this.#window.pixels * this.#each)]
        : []),
      ...(inner ? [array('between', 'Value', rows * inner.vectors)] : []),
    ].join('\n');
  }

  /** Finds a workgroup's square, and the output pixel of each of its rows: NONE beyond its cell. */
  square(side: number): string {
    const { rows } = this.tile;
    const { stride } = this.kind.core;
    return `${squareOf(side)}
  for (var r = local; r < ${rows}u; r += ${this.invocations}u) {
    let y = firstY + r / ${side}u;
    let x = firstX + r % ${side}u;
    pixels[r] = select(NONE, (n * p.toHeight + y) * p.toWidth + x, y < endY && x < endX);
  }
  workgroupBarrier();
  if (${isInactive}) {
${this.kind.copies ? this.#copy() : ''}
    return;
  }
  let originY = i32(firstY * ${stride[0]}u) - i32(p.coreTop);
  let originX = i32(firstX * ${stride[1]}u) - i32(p.coreLeft);`;
  }

  #copy(): string {
    return `    for (var item = local; item < ${this.tile.rows}u * p.outVectors; item += ${this.invocations}u) {
      let pixel = pixels[item / p.outVectors];
      if (pixel == NONE) { continue; }
      let at = pixel * p.outVectors + item % p.outVectors;
      destination[at] = residual[at];
    }`;
  }

  /** Fills the window with so many vectors of the head from `firstVector` on; zeros outside the map. */
  head(first: string, vectors: number): string {
    const { tile, invocations } = this;
    const { rows, rowsEach } = tile;
    const { pixels, width } = this.#window!;
    const all = this.kind.head!.vectors;
    return `
  for (var firstVector = ${first}; firstVector < min(${first} + ${vectors}u, ${all}u); firstVector += ${this.#columns}u) {
    for (var block = 0u; block < ${pixels}u; block += ${rows}u) {
      for (var r = local; r < ${rows}u; r += ${invocations}u) {
        let at = block + r;
        let y = originY + i32(at / ${width}u);
        let x = originX + i32(at % ${width}u);
        // Elsewhere every tap lies outside.
        var place = vec4i(0, -0x40000000, 0, 0);
        if (at < ${pixels}u && y >= 0 && y < i32(p.outHeight) && x >= 0 && x < i32(p.outWidth)) { place = placeAt(n, u32(y), u32(x)); }
        places[r] = place;
      }
      workgroupBarrier();
${sumsOf(tile)}
${productCode(tile, { weights: 'headWeights', width: `${all}u`, source: 'gathered' })}
      if (firstVector + column < ${all}u) {
        let bias = vec4f(headWeights[p.headBias + firstVector + column]);
${unrolled(
  rowsEach,
  (i) => `        if (block + firstOwn + ${i}u < ${pixels}u) {
          let value = select(vec4f(0), headActivated(sum${i} + bias), places[firstOwn + ${i}u].w == 1);
          window[(block + firstOwn + ${i}u) * ${this.#each}u + firstVector - ${first} + column] = stored(value);
        }`,
)}
      }
      workgroupBarrier();
    }
  }`;
  }

  /** The core of one group: out of the window, or of what its rows gather. */
  core(): string {
    const { tile, kind } = this;
    const { inner } = kind.core;
    const width = inner ? `${inner.vectors}u` : 'p.outVectors';
    const weights = inner ? 'coreWeights' : 'weights';
    const source = this.#window ? this.#stored(this.#window.width) : 'gathered';
    return `
  for (var firstVector = 0u; firstVector < ${width}; firstVector += ${this.#columns}u) {
${sumsOf(tile)}
${productCode(tile, { weights, width, source })}
    if (firstVector + column < ${width}) {
${inner ? `      let bias = vec4f(coreWeights[p.coreBias + firstVector + column]);` : ''}
${unrolled(tile.rowsEach, (i) => {
  const row = `firstOwn + ${i}u`;
  return inner
    ? `      between[(${row}) * ${inner.vectors}u + firstVector + column] = stored(coreActivated(sum${i} + bias));`
    : this.#finish(row, 'firstVector + column', `sum${i}`);
})}
    }
  }
  workgroupBarrier();`;
  }

  /** What the core's taps read of the window. */
  #stored(width: number): Stored {
    const { side } = this.tile;
    const [kernelHeight, kernelWidth] = this.kind.core.kernel;
    const [strideY, strideX] = this.kind.core.stride;
    const each = this.#each;
    return {
      memory: 'window',
      depth: kernelHeight * kernelWidth * each,
      begin: (row) =>
        `(${row} / ${side}u * ${strideY * width}u + ${row} % ${side}u * ${strideX}u) * ${each}u`,
      vector: (number) =>
        `(${number} / ${each * kernelWidth}u * ${width}u + ${number} / ${each}u % ${kernelWidth}u) * ${each}u + ${number} % ${each}u`,
    };
  }

  /** A depthwise core: out of the window, some channels after the others, or of what its rows gather. */
  depthwise(): string {
    const { tile, kind, invocations } = this;
    const { core, head } = kind;
    const weights = core.inner ? 'coreWeights' : 'weights';
    const all = core.inner ? `${core.inner.vectors}u` : 'p.outVectors';
    const own = head ? `${this.#each}u` : all;
    const finish = core.inner
      ? `between[row * ${all} + vector] = stored(coreActivated(sum + vec4f(coreWeights[p.coreBias + vector])));`
      : this.#finish('row', 'vector', 'sum');
    const taps = this.#window
      ? this.#windowTaps(weights, all, this.#window.width)
      : `      let place = places[row];
      for (var tapY = 0u; tapY < p.kernelHeight; tapY++) {
        for (var tapX = 0u; tapX < p.kernelWidth; tapX++) {
          let at = sourceAt(place, tapY, tapX);
          if (at == NONE) { continue; }
          sum = fma(vec4f(source[at * p.inVectors + vector]), vec4f(${weights}[(tapY * p.kernelWidth + tapX) * ${all} + vector]), sum);
        }
      }`;
    const items = `
    for (var item = local; item < ${tile.rows}u * ${own}; item += ${invocations}u) {
      let row = item / ${own};
      let vector = ${head ? 'firstOfChunk + ' : ''}item % ${own};
      if (vector >= ${all}) { continue; }
      var sum = vec4f(0);
${taps}
      ${finish}
    }
    workgroupBarrier();`;
    if (!head) return items;
    return `
  for (var firstOfChunk = 0u; firstOfChunk < ${head.vectors}u; firstOfChunk += ${this.#each}u) {
${this.head('firstOfChunk', this.#each)}
${items}
  }`;
  }

  #windowTaps(weights: string, all: string, width: number): string {
    const { side } = this.tile;
    const [kernelHeight, kernelWidth] = this.kind.core.kernel;
    const [strideY, strideX] = this.kind.core.stride;
    const each = this.#each;
    return `      let begin = (row / ${side}u * ${strideY * width}u + row % ${side}u * ${strideX}u) * ${each}u + item % ${each}u;
      for (var tapY = 0u; tapY < ${kernelHeight}u; tapY++) {
        for (var tapX = 0u; tapX < ${kernelWidth}u; tapX++) {
          sum = fma(vec4f(window[begin + (tapY * ${width}u + tapX) * ${each}u]), vec4f(${weights}[(tapY * ${kernelWidth}u + tapX) * ${all} + vector]), sum);
        }
      }`;
  }

  /** The 1x1 convolution over all that lies before it. */
  tail({ vectors }: Inner): string {
    const { tile } = this;
    const source: Stored = {
      memory: 'between',
      depth: vectors,
      begin: (row) => `${row} * ${vectors}u`,
      vector: (number) => number,
    };
    return `
  for (var firstVector = 0u; firstVector < p.outVectors; firstVector += ${this.#columns}u) {
${sumsOf(tile)}
${productCode(tile, { weights: 'weights', width: 'p.outVectors', source })}
    if (firstVector + column < p.outVectors) {
${unrolled(tile.rowsEach, (i) => this.#finish(`firstOwn + ${i}u`, 'firstVector + column', `sum${i}`))}
    }
  }`;
  }

  #finish(row: string, vector: string, sum: string): string {
    return this.#window
      ? `      if (pixels[${row}] != NONE) { finish(rowOf(pixels[${row}]), pixels[${row}], ${vector}, ${sum}); }`
      : `      if (firstRow + ${row} < count) { finish(firstRow + ${row}, u32(places[${row}].w), ${vector}, ${sum}); }`;
  }
}
