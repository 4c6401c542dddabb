import type { ConvolutionActivation } from '../../network/network.js';
import { GraphBuilder } from '../../network/onnx/builder.js';
import { ElementType } from '../../network/onnx/tensor.js';
import type { ProgramRegion } from '../../program/program.js';
import type { Shape } from '../../tensor.js';
import { type ListRecipe, pixelColumn, pixelsAmong } from './lists.js';

/** A map that holds a value at every pixel, in any of the forms that the graph has made of it. */
export interface WholeValue {
  readonly kind: 'whole';
  /** `[N, H, W, C]`. */
  readonly shape: Shape;
  readonly forms: {
    /** `[N, H, W, C]`. */
    nhwc?: string;
    /** `[N · H · W, C]`. */
    rows?: string;
    /** `[N, C, H, W]`. */
    image?: string;
  };
}

/** Rows of a region's pixels, one after the other. */
export interface PackedValue {
  readonly kind: 'packed';
  readonly shape: Shape;
  readonly region: ProgramRegion;
  readonly rows: string;
}

/** A map that was made one way inside a region and another way outside; combined only if the whole map is needed. */
export interface MixedValue {
  readonly kind: 'mixed';
  readonly shape: Shape;
  readonly region: ProgramRegion;
  /** Packed rows. */
  readonly inside: string;
  /** Zeros when left out. */
  readonly outside?: GraphValue;
}

export type GraphValue = WholeValue | PackedValue | MixedValue;

/** The nodes of a graph under construction, and the changes between the forms of its values. */
export class GraphValues {
  readonly graph = new GraphBuilder();
  /** Inputs beside the maps, in the order in which they were first needed. */
  readonly lists = new Map<string, ListRecipe>();
  readonly #gathered = new Map<string, string>();
  readonly #numbers = new Map<ProgramRegion, number>();

  /** A region's number in this graph: in the order of first use, so that alike graphs of different programs have alike inputs. */
  numberOf(region: ProgramRegion): number {
    let number = this.#numbers.get(region);
    if (number === undefined) {
      number = this.#numbers.size;
      this.#numbers.set(region, number);
    }
    return number;
  }

  whole(shape: Shape, forms: WholeValue['forms']): WholeValue {
    return { kind: 'whole', shape, forms };
  }

  /** An index list that is an input of the graph. */
  list(name: string, recipe: ListRecipe): string {
    return this.#input(name, [`length of ${name}`], recipe, ElementType.INT64);
  }

  /** A matrix that is an input of the graph. */
  matrix(name: string, rows: number, recipe: ListRecipe): string {
    return this.#input(name, [rows, `length of ${name}`], recipe, ElementType.FLOAT);
  }

  /** A region's pixels as a column, for scattering. */
  column(region: ProgramRegion): string {
    const name = `pixels.${this.numberOf(region)}`;
    return this.#input(name, [`length of ${name}`, 1], pixelColumn(region), ElementType.INT64);
  }

  /** `[pixels, C]` rows of a whole map. */
  rows({ shape, forms }: WholeValue): string {
    const [, H, W, C] = shape;
    // A map of one pixel has the same order of values in every form.
    forms.rows ??= this.reshape(
      forms.nhwc ?? (H * W === 1 ? forms.image! : this.transpose(forms.image!, [0, 2, 3, 1])),
      [-1, C],
    );
    return forms.rows;
  }

  /** `[N, C, H, W]` of a whole map. */
  image({ shape, forms }: WholeValue): string {
    const [N, H, W, C] = shape;
    if (forms.image === undefined) {
      const nhwc = forms.nhwc ?? this.reshape(forms.rows!, H * W === 1 ? [N, C, 1, 1] : [N, H, W, C]);
      forms.image =
        H * W === 1
          ? forms.nhwc === undefined
            ? nhwc
            : this.reshape(nhwc, [N, C, 1, 1])
          : this.transpose(nhwc, [0, 3, 1, 2]);
    }
    return forms.image;
  }

  /** The rows of a region's pixels. */
  at(value: GraphValue, region: ProgramRegion): string {
    if (value.kind === 'packed' && value.region !== region) {
      const name = `pixels.${this.numberOf(region)} in ${this.numberOf(value.region)}`;
      return this.gather(value.rows, this.list(name, pixelsAmong(region, value.region)));
    }
    if (value.kind === 'packed') return value.rows;
    if (value.kind === 'mixed' && value.region === region) return value.inside;
    const rows = this.rows(this.complete(value));
    const key = `${rows} at ${this.numberOf(region)}`;
    let known = this.#gathered.get(key);
    if (known === undefined) {
      known = this.gather(rows, this.#flat(region));
      this.#gathered.set(key, known);
    }
    return known;
  }

  /** A value with something at every pixel: zeros where it holds nothing. */
  complete(value: GraphValue): WholeValue {
    if (value.kind === 'whole') return value;
    if (value.kind === 'packed') return this.over(undefined, value.shape, value.region, value.rows);
    return this.over(value.outside, value.shape, value.region, value.inside);
  }

  /** A whole map with other rows at the pixels of a region; zeros elsewhere when there is no map. */
  over(base: GraphValue | undefined, shape: Shape, region: ProgramRegion, rows: string): WholeValue {
    const under = this.rows(base ? this.complete(base) : this.zeros(shape));
    return this.whole(shape, { rows: this.graph.node('ScatterND', [under, this.column(region), rows]) });
  }

  /** The same with an activation at every pixel; `slopes` are a PReLU's. */
  activated(
    { shape, forms }: WholeValue,
    activation: ConvolutionActivation,
    slopes?: Float32Array,
  ): WholeValue {
    if (activation === 'none') return this.whole(shape, { ...forms });
    const form = forms.image ? 'image' : forms.rows ? 'rows' : 'nhwc';
    return this.whole(shape, {
      [form]: this.activatedRows(forms[form]!, activation, slopes, form === 'image'),
    });
  }

  /** The same of a value by its name, channels last unless it is an image in NCHW. */
  activatedRows(
    value: string,
    activation: ConvolutionActivation,
    slopes?: Float32Array,
    image = false,
  ): string {
    const dims = slopes && (image ? [slopes.length, 1, 1] : [slopes.length]);
    return this.graph.activation(value, activation, undefined, dims && { values: slopes, dims });
  }

  /** A map of zeros. */
  zeros(shape: Shape): WholeValue {
    const [N, H, W, C] = shape;
    const rows = this.graph.node('ConstantOfShape', [this.graph.integers([N * H * W, C])]);
    return this.whole(shape, { rows });
  }

  /** `[N, H, W, C]` of a whole map. */
  nhwc({ shape, forms }: WholeValue): string {
    forms.nhwc ??=
      forms.rows === undefined ? this.transpose(forms.image!, [0, 2, 3, 1]) : this.reshape(forms.rows, shape);
    return forms.nhwc;
  }

  /** Adds a row of zeros at the end, used for every pixel outside the image. */
  withZeros(rows: string, channels: number): string {
    const zeros = this.graph.floats(this.graph.fresh('zeros'), [1, channels], new Float32Array(channels));
    return this.graph.node('Concat', [rows, zeros], { axis: 0 });
  }

  gather(rows: string, list: string): string {
    return this.graph.node('Gather', [rows, list], { axis: 0 });
  }

  reshape(value: string, dims: readonly number[]): string {
    return this.graph.node('Reshape', [value, this.graph.integers(dims)]);
  }

  transpose(value: string, perm: readonly number[]): string {
    return this.graph.node('Transpose', [value], { perm });
  }

  /** A region's pixels as a plain list, for gathering. */
  #flat(region: ProgramRegion): string {
    const key = `pixels.${this.numberOf(region)} flat`;
    let known = this.#gathered.get(key);
    if (known === undefined) {
      known = this.reshape(this.column(region), [-1]);
      this.#gathered.set(key, known);
    }
    return known;
  }

  #input(name: string, dims: readonly (string | number)[], recipe: ListRecipe, type: number): string {
    if (!this.lists.has(name)) {
      this.graph.input(name, dims, type);
      this.lists.set(name, recipe);
    }
    return name;
  }
}
