/** Sizes of a workgroup's tile: output pixels, output channels, and what of both one invocation sums. */
export interface TileSize {
  readonly rows: number;
  readonly channels: number;
  readonly rowsEach: number;
  /** Vectors of output channels, as far from each other as the tile is wide. */
  readonly vectorsEach: number;
  /** Input vectors (four channels of one tap) that are in workgroup memory at a time. */
  readonly depth: number;
}

/** Slices that a workgroup multiplies, one after the other, for `depth` input vectors of all taps. */
export function gemmSteps(depth: number, tile: Pick<TileSize, 'depth'>): number {
  return Math.ceil(depth / tile.depth);
}

/** What is multiplied. */
export interface Product {
  /** Binding of the weights, and an expression for the vectors of output channels in them. */
  readonly weights: string;
  readonly width: string;
  /** Input vectors of all taps of a row's place, or what is in workgroup memory already. */
  readonly source: 'gathered' | Stored;
}

/** Rows that are in workgroup memory. */
export interface Stored {
  readonly memory: string;
  /** Input vectors of a row, of all taps. */
  readonly depth: number;
  /** Expression for where those of a row begin. */
  begin(row: string): string;
  /** Expression for where the one of that number stands behind that. */
  vector(number: string): string;
}

export const unrolled = (count: number, line: (i: number) => string) =>
  Array.from({ length: count }, (_, i) => line(i)).join('\n');

/** Fills `places` with those of a workgroup's rows, the first of which is `firstRow`; `count` is the number of all rows. */
export function placesOf({ rows }: Pick<TileSize, 'rows'>, invocations: number): string {
  return `  let count = rowCount();
  let firstRow = groupNumber(group, groups) * ${rows}u;
  if (firstRow >= count) { return; }
  for (var r = local; r < ${rows}u; r += ${invocations}u) {
    // Beyond the last row every tap lies outside.
    var place = vec4i(0, -0x40000000, 0, 0);
    if (firstRow + r < count) { place = placeOf(firstRow + r); }
    places[r] = place;
  }
  workgroupBarrier();`;
}

/** An invocation's sums, `sum0` and so on: the vectors of its first row, then those of the next. */
export function sumsOf({ rowsEach, vectorsEach }: TileSize): string {
  return unrolled(rowsEach * vectorsEach, (i) => `  var sum${i} = vec4f(0);`);
}

/** How the invocations of a workgroup bring a slice of what is multiplied to registers. */
interface Bring {
  /** Vectors that each brings, `nextSource0` and so on: of the rows, `depth` of each one after the other. */
  readonly sources: number;
  /** The same of the weights, `nextWeight0` and so on: whole rows of output channels. */
  readonly weights: number;
  /** Before the first slice. */
  readonly declare: string;
  /** Fetches the next slice, the first of whose input vectors is `first`. */
  readonly fetch: string;
}

/**
 * Needs `places` where it gathers, `depth` (input vectors of all taps), and the invocation's `local` and `firstVector`. What
 * lies outside is 0.
 * @param element type of the registers
 */
export function bringCode(
  { rows, channels, depth: slice }: Pick<TileSize, 'rows' | 'channels' | 'depth'>,
  invocations: number,
  element: 'vec4f' | 'Value',
  { weights, width, isGathered = true }: Pick<Product, 'weights' | 'width'> & { isGathered?: boolean },
): Bring {
  const columns = channels / 4;
  const sourceLoads = isGathered ? (rows * slice) / invocations : 0;
  const weightLoads = (4 * slice * columns) / invocations;
  return {
    sources: sourceLoads,
    weights: weightLoads,
    declare: `${
      isGathered
        ? `  // The input vector that this invocation brings, and its tap.
  var vector = local % ${slice}u;
  var tapX = 0u;
  var tapY = 0u;`
        : ''
    }
${unrolled(sourceLoads, (i) => `  var nextSource${i} = ${element}(0);`)}
${unrolled(weightLoads, (i) => `  var nextWeight${i} = ${element}(0);`)}`,
    fetch: `${
      isGathered
        ? `      while (vector >= p.inVectors) {
        vector -= p.inVectors;
        tapX++;
        if (tapX == p.kernelWidth) { tapX = 0u; tapY++; }
      }`
        : ''
    }
${unrolled(
  sourceLoads,
  (i) => `      {
        nextSource${i} = ${element}(0);
        let at = sourceAt(places[(local + ${i * invocations}u) / ${slice}u], tapY, tapX);
        if (at != NONE && tapY < p.kernelHeight) { nextSource${i} = ${element}(source[at * p.inVectors + vector]); }
      }`,
)}
${unrolled(
  weightLoads,
  (i) => `      {
        nextWeight${i} = ${element}(0);
        let deep = first * 4u + (local + ${i * invocations}u) / ${columns}u;
        let wide = firstVector + (local + ${i * invocations}u) % ${columns}u;
        if (deep < depth * 4u && wide < ${width}) { nextWeight${i} = ${element}(${weights}[deep * ${width} + wide]); }
      }`,
)}
${isGathered ? `      vector += ${slice}u;` : ''}`,
  };
}

/**
 * Adds a tile of a matrix product to an invocation's sums, slice by slice: while one is multiplied out of workgroup
 * memory, the next one is on its way to registers. Needs `slice`, `places` and `sources` where it gathers, and the invocation's `local`,
 * `firstVector`, `column` and `firstOwn`; begins and ends with all invocations of the workgroup.
 */
export function productCode(tile: TileSize, { weights, width, source }: Product): string {
  const { rows, channels, rowsEach, vectorsEach, depth: slice } = tile;
  const columns = channels / 4;
  const lanes = columns / vectorsEach;
  const invocations = (rows / rowsEach) * lanes;
  const gathered = source === 'gathered';
  const bring = bringCode(tile, invocations, 'vec4f', { weights, width, isGathered: gathered });
  const depth = gathered ? 'p.kernelHeight * p.kernelWidth * p.inVectors' : `${source.depth}u`;
  const sourceAt = (row: number) =>
    gathered ? `sources[(firstOwn + ${row}u) * ${slice}u + k]` : `${source.memory}[begin${row} + within]`;
  return `{
  let depth = ${depth};
${gathered ? '' : unrolled(rowsEach, (row) => `  let begin${row} = ${source.begin(`(firstOwn + ${row}u)`)};`)}
${bring.declare}
  for (var first = 0u; first < depth + ${slice}u; first += ${slice}u) {
    if (first > 0u) {
${unrolled(bring.sources, (i) => `      sources[local + ${i * invocations}u] = nextSource${i};`)}
${unrolled(bring.weights, (i) => `      slice[local + ${i * invocations}u] = nextWeight${i};`)}
    }
    workgroupBarrier();
    if (first < depth) {
${bring.fetch}
    }
    if (first > 0u) {
${gathered ? '' : `      let before = first - ${slice}u;`}
      for (var k = 0u; k < ${gathered ? `${slice}u` : `min(${slice}u, depth - before)`}; k++) {
${gathered ? '' : `        let within = ${source.vector('(before + k)')};`}
${unrolled(
  4 * vectorsEach,
  (i) =>
    `        let w${i} = slice[(k * 4u + ${i % 4}u) * ${columns}u + column + ${Math.floor(i / 4) * lanes}u];`,
)}
${unrolled(
  rowsEach,
  (row) => `        {
          let s = vec4f(${sourceAt(row)});
${unrolled(4 * vectorsEach, (i) => {
  const sum = `sum${row * vectorsEach + Math.floor(i / 4)}`;
  return `          ${sum} = fma(vec4f(s.${'xyzw'[i % 4]}), w${i}, ${sum});`;
})}
        }`,
)}
      }
    }
    workgroupBarrier();
  }
  }`;
}
