/** Operators that compute each value from that value, and from constants that are no tensors of extents. */
export const pointwiseOperators: ReadonlySet<string> = new Set([
  ...['Relu', 'LeakyRelu', 'Clip', 'Elu', 'Sigmoid', 'HardSigmoid', 'HardSwish', 'Swish', 'Tanh', 'Softplus'],
  ...['Mish', 'Gelu', 'Erf', 'Exp', 'Sqrt', 'Reciprocal', 'Neg', 'Abs', 'Cast', 'Identity', 'Dropout'],
]);
