import { create } from '@bufbuild/protobuf';
import { FoveaError } from '../../errors.js';
import {
  AttributeProto_AttributeType,
  AttributeProtoSchema,
  NodeProtoSchema,
  type ValueInfoProto,
} from './generated/onnx_pb.js';
import { type Graph, graphNode, intsOf } from './graph.js';
import { dimsOf, ElementType, elementName, isFloatType } from './tensor.js';

/** Nominal side where the file leaves height and width open. */
const defaultSide = 224;

export interface ImageInput {
  /** Name of the image in NCHW. */
  readonly name: string;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  /** True where the file says both sides. */
  readonly fixed: boolean;
  /** True where the file says that there is one image. */
  readonly single: boolean;
}

/**
 * The image input of a graph, the one whose element type is a float and whose rank is four, with every open extent
 * filled in; and the graph that reads it in NCHW. An image in NHWC, as TensorFlow's converters leave it, is turned by
 * an operator of its own, which cancels the one with which such graphs begin.
 *
 * @throws FoveaError `unsupported` when something else goes in than one image
 */
export function withImageInput(graph: Graph): { graph: Graph; image: ImageInput } {
  const { name, dims } = imageInput(graph);
  const turned = isNhwc(graph, name, dims) ? inNchw(graph, name) : undefined;
  const [, channels, height, width] = turned ? [dims[0], dims[3], dims[1], dims[2]] : dims;
  for (const extent of [channels, height, width]) {
    if (extent !== undefined && !(extent >= 1 && extent <= 65_536)) {
      throw new FoveaError(
        'bad-file',
        `${graph.source}: input ${name} has extent ${extent}; 1 … 65536 is accepted`,
      );
    }
  }
  const counted = channels ?? channelsOfFirst(graph, turned?.name ?? name);
  if (counted === undefined) {
    throw new FoveaError(
      'unsupported',
      `${graph.source}: input ${name} leaves its number of channels open; export it with that extent fixed`,
    );
  }
  const sides = { height: height ?? defaultSide, width: width ?? defaultSide };
  const image = {
    channels: counted,
    ...sides,
    fixed: height !== undefined && width !== undefined,
    single: dims[0] === 1,
  };
  return turned
    ? { graph: turned.graph, image: { name: turned.name, ...image } }
    : { graph, image: { name, ...image } };
}

function imageInput(graph: Graph): { name: string; dims: readonly (number | undefined)[] } {
  const shown = (info: ValueInfoProto) => {
    const tensor = info.type?.value.case === 'tensorType' ? info.type.value.value : undefined;
    const dims = tensor?.shape?.dim.map(({ value }) =>
      // Some exporters write -1 for an extent that is open.
      value.case === 'dimValue' && value.value !== -1n ? Number(value.value) : undefined,
    );
    return { name: info.name, type: tensor?.elemType ?? ElementType.FLOAT, dims };
  };
  const inputs = graph.inputs.map(shown);
  const images = inputs.filter(({ type, dims }) => isFloatType(type) && dims?.length === 4);
  if (images.length !== 1 || inputs.length !== 1) {
    const list = inputs.map(({ name, type, dims }) => {
      const extents = dims ? `[${dims.map((extent) => extent ?? '?').join(', ')}]` : 'of unknown shape';
      return `${name}, ${elementName(type)} ${extents}`;
    });
    throw new FoveaError(
      'unsupported',
      `${graph.source}: ${list.length === 1 ? 'input' : 'inputs'} ${list.join('; ') || '(none)'}; one float input [N, C, H, W] is accepted`,
    );
  }
  return { name: images[0]!.name, dims: images[0]!.dims! };
}

/** Channels that the first convolution reads. */
function channelsOfFirst(graph: Graph, image: string): number | undefined {
  const weight = graph.nodes.find((node) => node.op === 'Conv' && node.inputs[0] === image)?.inputs[1];
  const tensor = graph.constants.get(weight ?? '');
  return tensor && dimsOf(tensor)[1];
}

/** Sides of photographs are open or more than this; maps of features may be as small. */
const smallestSide = 5;

const nchwFromNhwc = [0, 3, 1, 2];

/** Whether channels come last: the graph begins by moving them, or the extents leave no other reading. */
function isNhwc(graph: Graph, name: string, dims: readonly (number | undefined)[]): boolean {
  const readers = graph.nodes.filter((node) => node.inputs.includes(name));
  if (readers.length > 0 && readers.every((node) => movesChannels(graph, name, node))) return true;
  const convolves = readers.some(({ op }) => op === 'Conv' || op === 'FusedConv');
  const coloursLast = dims[3] === 3 || dims[3] === 1;
  return (
    !convolves && coloursLast && [dims[1], dims[2]].every((side) => (side ?? smallestSide) >= smallestSide)
  );
}

function movesChannels(graph: Graph, name: string, node: Graph['nodes'][number]): boolean {
  if (node.op !== 'Transpose' || graph.outputs.includes(name)) return false;
  return intsOf(node, 'perm')?.join() === nchwFromNhwc.join();
}

/** The graph with an image in NCHW in the place of one in NHWC. */
function inNchw(graph: Graph, name: string): { graph: Graph; name: string } {
  const readers = graph.nodes.filter((node) => node.inputs.includes(name));
  const only = readers.length === 1 && movesChannels(graph, name, readers[0]!) ? readers[0]! : undefined;
  if (only) {
    return {
      graph: { ...graph, nodes: graph.nodes.filter((node) => node !== only) },
      name: only.outputs[0]!,
    };
  }
  const image = `${name}/nchw`;
  const perm = create(AttributeProtoSchema, {
    name: 'perm',
    type: AttributeProto_AttributeType.INTS,
    ints: [0n, 2n, 3n, 1n],
  });
  const turn = graphNode(
    create(NodeProtoSchema, {
      opType: 'Transpose',
      name: image,
      input: [image],
      output: [name],
      attribute: [perm],
    }),
  );
  turn.position = -1;
  return { graph: { ...graph, nodes: [turn, ...graph.nodes] }, name: image };
}
