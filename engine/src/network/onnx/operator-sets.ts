/** ONNX's operator set from which on an operator has the form that Fovea writes. */
const formSince: Readonly<Record<string, number>> = {
  Concat: 4,
  Upsample: 7,
  Reshape: 5,
  // Both sides broadcast without an attribute that says so.
  Add: 7,
  Gemm: 7,
  Mul: 7,
  Sub: 7,
  Div: 7,
  PRelu: 7,
  BatchNormalization: 7,
  Erf: 9,
};

/** Operator set from which on an attribute is known. */
const attributeSince: Readonly<Record<string, number>> = {
  count_include_pad: 7,
  ceil_mode: 10,
  coordinate_transformation_mode: 11,
};

/**
 * The first of an operator's parts that an operator set does not have, and the set that has it.
 * @returns undefined where the operator can be written as it is
 */
export function missingForm(
  op: string,
  attributes: readonly string[],
  opset: number,
): { readonly form: string; readonly since: number } | undefined {
  const since = formSince[op] ?? 1;
  if (since > opset) return { form: op, since };
  const attribute = attributes.find((name) => (attributeSince[name] ?? 1) > opset);
  return attribute === undefined
    ? undefined
    : { form: `${op} with ${attribute}`, since: attributeSince[attribute]! };
}
