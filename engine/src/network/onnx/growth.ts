import type { Graph } from './graph.js';
import type { ImageInput } from './image-input.js';
import { type Inference, inferShapes } from './infer-shapes.js';

/** Two to the power of how often maps are halved, at most. */
const HALVED = 2 ** 6;

/** How the sizes that a graph has or computes relate to those of its maps, whatever the size of the image. */
export class Growth {
  readonly #graph: Graph;
  readonly #image: ImageInput;
  readonly #nominal: Inference;
  #others: readonly Inference[] | undefined;

  /** @param nominal shapes of all values, for one image of the nominal size */
  constructor(graph: Graph, image: ImageInput, nominal: Inference) {
    this.#graph = graph;
    this.#image = image;
    this.#nominal = nominal;
  }

  /**
   * By how much a list of sizes is larger than a map, axis by axis.
   * @returns undefined where it is not known, or depends on the image: where the file leaves the image's sides open a
   *   constant list does, and a computed one may. Images whose sides stay odd, or one above even, however often they are
   *   halved, show that.
   */
  factors(map: string, sizes: string): readonly number[] | undefined {
    const fixed = this.#image.fixed && this.#graph.constants.has(sizes);
    const [first, ...others] = [this.#nominal, ...(fixed ? [] : this.#otherSizes())].map(
      ({ shapes, integers }) => {
        const [dims, list] = [shapes.get(map), integers.get(sizes)];
        return dims && list?.length === dims.length
          ? list.map((extent, axis) => extent / dims[axis]!)
          : undefined;
      },
    );
    return first && others.every((factors) => factors?.join() === first.join()) ? first : undefined;
  }

  #otherSizes(): readonly Inference[] {
    const { name, channels, height, width } = this.#image;
    const near = (side: number) => HALVED * Math.ceil(side / HALVED);
    this.#others ??= [-1, 1].map((more) => {
      const dims = [1, channels, near(height) + more, near(width) + more];
      return inferShapes(this.#graph.nodes, this.#graph.constants, new Map([[name, dims]]));
    });
    return this.#others;
  }
}
