import type { ConvolutionActivation } from '../../network/network.js';
import type { ProgramMap, ProgramRegion } from '../../program/program.js';
import type { GraphValue, GraphValues, WholeValue } from './graph-values.js';

/** What each map of a part holds while the part's graph is written. */
export class HeldMaps {
  readonly #held = new Map<ProgramMap, GraphValue>();

  constructor(readonly values: GraphValues) {}

  /** What a map holds; undefined for one that holds values only in an empty region. */
  find(map: ProgramMap): GraphValue | undefined {
    return this.#held.get(map);
  }

  get(map: ProgramMap): GraphValue {
    const held = this.#held.get(map);
    if (!held) throw new Error(`map ${map.id} is read before it is written`);
    return held;
  }

  /** All of a map. */
  whole(map: ProgramMap): WholeValue {
    return this.values.complete(this.get(map));
  }

  /** A map's rows at a region's pixels. */
  at(map: ProgramMap, region: ProgramRegion): string {
    return this.values.at(this.get(map), region);
  }

  set(map: ProgramMap, value: GraphValue): void {
    this.#held.set(map, value);
  }

  delete(map: ProgramMap): void {
    this.#held.delete(map);
  }

  /** A map that is an image in NCHW. */
  setImage(map: ProgramMap, image: string): void {
    this.set(map, this.values.whole(map.shape, { image }));
  }

  /** A map of rows `inside` a region, and of another value outside; undefined: of zeros. */
  setMixed(map: ProgramMap, region: ProgramRegion, inside: string, outside: GraphValue | undefined): void {
    const { shape } = map;
    this.set(map, { kind: 'mixed', shape, region, inside, ...(outside ? { outside } : {}) });
  }

  /** `destination = activation(rows + residual)` at a region; the rest of it stays. */
  update(
    destination: ProgramMap,
    region: ProgramRegion,
    rows: string,
    residual: ProgramMap,
    activation: ConvolutionActivation,
  ): void {
    const { values } = this;
    const sum = values.graph.node('Add', [rows, this.at(residual, region)]);
    const updated = values.graph.activation(sum, activation);
    const held = this.get(destination);
    const base = held.kind === 'mixed' && held.region === region ? held.outside : held;
    this.set(destination, values.over(base, destination.shape, region, updated));
  }
}
