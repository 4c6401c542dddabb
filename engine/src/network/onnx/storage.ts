/** How a model's constants are stored; the forms that exporters use. */
export interface StorageOptions {
  /** Raw little-endian bytes, or one protobuf number a value. Default `raw`. */
  readonly data?: 'raw' | 'typed';
  /** Initialisers, or `Constant` nodes. Default `initializer`. */
  readonly constants?: 'initializer' | 'node';
  /** Lists initialisers among the inputs too, as ONNX before IR version 4 had to. Default false. */
  readonly listedAsInputs?: boolean;
  /** Number format of weights and input. Default `float32`. */
  readonly precision?: 'float32' | 'float16';
  /** Location to record for weights that are kept outside the model; they come back from `finish`. */
  readonly externalLocation?: string;
}

/** A model's bytes, and the weights beside it when they are stored outside. */
export interface OnnxFiles {
  readonly model: Uint8Array<ArrayBuffer>;
  readonly external?: Uint8Array<ArrayBuffer>;
}
