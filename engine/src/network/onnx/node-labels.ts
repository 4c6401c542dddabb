import type { GraphNode } from './graph.js';

/**
 * The path of the module that a node came from, as PyTorch's exporters leave it: in the weight's name
 * (`layer1.0.conv1.weight`), in the scopes of the newer exporter, or in the node's name in the older one's
 * (`/layer1/layer1.0/conv1/Conv`). Only names in tables depend on it.
 */
export function nodeLabel(node: GraphNode, weight?: string): string {
  const fromWeight = weight === undefined ? undefined : /^(.+)\.weight$/.exec(weight)?.[1];
  return fromWeight ?? scopeOf(node) ?? pathOf(node.name) ?? (node.name || node.outputs[0] || node.op);
}

/** `['', 'layer1', 'layer1.0', 'add_1']` → `layer1.0`. */
function scopeOf(node: GraphNode): string | undefined {
  const text = node.proto.metadataProps.find(({ key }) => key === 'pkg.torch.onnx.name_scopes')?.value;
  const scopes = text?.match(/'([^']*)'/g)?.map((quoted) => quoted.slice(1, -1));
  return scopes && scopes.length >= 2 ? scopes[scopes.length - 2] || undefined : undefined;
}

/** `/layer1/layer1.0/conv1/Conv` → `layer1.0.conv1`: a segment that repeats the one before extends it. */
function pathOf(name: string): string | undefined {
  if (!name.startsWith('/')) return undefined;
  const segments = name.split('/').slice(1, -1);
  let path: string[] = [];
  let previous = '';
  for (const segment of segments) {
    path =
      previous !== '' && segment.startsWith(`${previous}.`)
        ? [...path.slice(0, -1), segment]
        : [...path, segment];
    previous = segment;
  }
  return path.length > 0 ? path.join('.') : undefined;
}

/** The longest path that all labels begin with, or undefined. */
export function commonPath(labels: readonly string[]): string | undefined {
  const paths = labels.map((label) => label.split('.'));
  const first = paths[0] ?? [];
  let length = 0;
  while (length < first.length && paths.every((path) => path[length] === first[length])) length++;
  return length > 0 ? first.slice(0, length).join('.') : undefined;
}
