import { FoveaError } from '../../errors.js';
import type { Block, Convolution, NetworkNode } from '../network.js';

/** A network's nodes, each reading what the one before has written. */
export class Chain {
  readonly nodes: NetworkNode[] = [];
  #value = 'input';

  get output(): string {
    return this.#value;
  }

  get blocks(): Block[] {
    return this.nodes.flatMap((node) => (node.kind === 'block' ? [node.block] : []));
  }

  convolution(convolution: Convolution, output = convolution.name): void {
    this.#add({ ...this.#ends(convolution.name), output, kind: 'convolution', convolution });
  }

  /** The 3x3 maximum of stride 2 with which ResNets' stems end. */
  maxPool(name: string): void {
    this.#add({
      ...this.#ends(name),
      kind: 'max-pool',
      kernel: [3, 3],
      stride: [2, 2],
      padding: [1, 1, 1, 1],
      ceilMode: false,
      countIncludePad: false,
    });
  }

  block(block: Block): void {
    this.#add({ ...this.#ends(block.name), kind: 'block', block });
  }

  globalPool(name: string): void {
    this.#add({ ...this.#ends(name), kind: 'global-pool' });
  }

  #ends(name: string) {
    return { name, inputs: [this.#value], output: name };
  }

  #add(node: NetworkNode): void {
    this.nodes.push(node);
    this.#value = node.output;
  }
}

/**
 * Each layer must read as many channels as the one before writes.
 * @throws FoveaError `bad-file` naming the layer that does not
 */
export function checkChain(nodes: readonly NetworkNode[], source: string): void {
  let channels: number | undefined;
  const expect = (name: string, wanted: number) => {
    if (channels !== undefined && wanted !== channels) {
      throw new FoveaError(
        'bad-file',
        `${source}: ${name} reads ${wanted} channels, ${channels} are written before it`,
      );
    }
  };
  for (const node of nodes) {
    if (node.kind === 'convolution') {
      expect(node.name, node.convolution.inChannels);
      channels = node.convolution.outChannels;
    } else if (node.kind === 'block') {
      const { branch, projection, adaptive } = node.block;
      const last = branch[branch.length - 1]!;
      for (const convolution of [branch[0]!, ...(projection ? [projection] : [])]) {
        expect(convolution.name, convolution.inChannels);
      }
      const shortcut = projection?.outChannels ?? channels;
      for (const convolution of branch) {
        channels = convolution === branch[0] ? convolution.inChannels : channels;
        expect(convolution.name, convolution.inChannels);
        channels = convolution.outChannels;
      }
      if (adaptive && shortcut !== last.outChannels) {
        throw new FoveaError(
          'bad-file',
          `${source}: ${last.name} writes ${last.outChannels} channels, the shortcut of ${node.name} ${shortcut}`,
        );
      }
    }
  }
}
