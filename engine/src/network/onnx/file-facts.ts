import type { TensorProto } from './generated/onnx_pb.js';

/** What recognition asks of the file. */
export interface FileFacts {
  /** Extents of a value for one image of the nominal size. */
  dims(value: string): readonly number[] | undefined;
  constant(value: string): TensorProto | undefined;
}
