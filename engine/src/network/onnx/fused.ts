import { create } from '@bufbuild/protobuf';
import { changed } from './changed.js';
import {
  type AttributeProto,
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  type ModelProto,
  type NodeProto,
  NodeProtoSchema,
} from './generated/onnx_pb.js';

/** ONNX's attributes for the parameters of FusedConv's activations. */
const parameters: Readonly<Record<string, readonly string[]>> = {
  Relu: [],
  Sigmoid: [],
  Tanh: [],
  LeakyRelu: ['alpha'],
  HardSigmoid: ['alpha', 'beta'],
};

/**
 * Writes `com.microsoft.FusedConv`, which onnxruntime leaves in models that it has optimised, as the convolution,
 * addition and activation that it stands for, so that residual blocks are found. A form that is not known stays.
 */
export function spellOutFusedConvolutions(model: ModelProto): void {
  const graph = model.graph!;
  graph.node = graph.node.flatMap((node) =>
    node.opType === 'FusedConv' && node.domain === 'com.microsoft' ? spelledOut(node) : [node],
  );
}

function spelledOut(node: NodeProto): NodeProto[] {
  const attribute = (name: string) => node.attribute.find((given) => given.name === name);
  const kind = new TextDecoder().decode(attribute('activation')?.s);
  const values = attribute('activation_params')?.floats ?? [];
  const names = parameters[kind];
  if (names?.length !== values.length || node.output.length !== 1) return [node];
  const output = node.output[0]!;
  const [x = '', weight = '', bias = '', added = ''] = node.input;
  const part = (opType: string, input: string[], result: string, attributes: AttributeProto[] = []) =>
    create(NodeProtoSchema, { opType, name: node.name, input, output: [result], attribute: attributes });
  const sum = `${output}/fused convolution`;
  const last = added === '' ? sum : `${output}/fused sum`;
  return [
    changed(node, {
      opType: 'Conv',
      domain: '',
      input: bias === '' ? [x, weight] : [x, weight, bias],
      output: [sum],
      attribute: node.attribute.filter(({ name }) => !name.startsWith('activation')),
    }),
    ...(added === '' ? [] : [part('Add', [sum, added], last)]),
    part(
      kind,
      [last],
      output,
      names.map((name, i) =>
        create(AttributeProtoSchema, { name, type: AttributeProto_AttributeType.FLOAT, f: values[i]! }),
      ),
    ),
  ];
}
