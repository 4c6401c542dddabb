import os from 'node:os';
import type { Backend } from '../../backends/backend.js';
import { NetworkBuilder } from '../../network/built/layers.js';
import type { Convolution, Network } from '../../network/network.js';
import { makePlan } from '../../plan/make-plan.js';
import { plausibleInput } from './time-trials.js';

const runs = 8;

/** A map that hardly any last-level cache holds together with the map made of it. */
const mostBytes = 256 * 2 ** 20;

/** A measurement holds a map four times: input and output, and both once more as the session keeps them. */
const leastShareOfMemory = 16;

/** Rates that a machine reaches at its best, all threads. */
export interface Peaks {
  /** Multiply-adds/s of a convolution that fits the caches. */
  readonly multiplyAdds: number;
  /** Bytes/s read and written by an element-wise pass over a map that fits the last-level cache, or not. */
  readonly cacheBandwidth: number;
  readonly memoryBandwidth: number;
}

/**
 * Size of a map that is read from memory and written to it: twice the last-level cache, where that leaves most of the
 * available memory to others.
 *
 * @param farBytes capacity of the last-level cache
 * @param availableBytes memory that this process can still have, within its container
 */
export function memoryMapBytes(
  farBytes: number,
  availableBytes = process.availableMemory?.() ?? os.freemem(),
): number {
  return Math.min(2 * farBytes, mostBytes, availableBytes / leastShareOfMemory);
}

/** A map is this small beside the last-level cache where it is to fit with what is made of it, and copies of both. */
const shareOfCache = 8;

/**
 * Times one dense convolution and two element-wise passes.
 *
 * @param heldBytes what the last-level cache holds for this process
 * @param farBytes capacity of the last-level cache, which may be all there for a moment
 */
export async function measurePeaks(
  backend: Backend,
  threads: number,
  heldBytes: number,
  farBytes: number,
): Promise<Peaks> {
  const convolution = new NetworkBuilder('peak', { seed: 3, inputSize: 32 }, 1).convolution('peak', 256, 256);
  const [N, side] = [1, 48];
  const peakMs = await timeNode(backend, convolutionNetwork(convolution, side), threads);
  const multiplyAdds = (N * side * side * 256 * 256) / (peakMs / 1e3);
  const bandwidth = async (bytes: number) => {
    const pixels = Math.max(8, Math.round(Math.sqrt(bytes / 4 / 64)));
    const ms = await timeNode(backend, activationNetwork(pixels), threads);
    return (2 * pixels * pixels * 64 * 4) / (ms / 1e3);
  };
  return {
    multiplyAdds,
    cacheBandwidth: await bandwidth(heldBytes / shareOfCache),
    memoryBandwidth: await bandwidth(memoryMapBytes(farBytes)),
  };
}

/** Shortest time of a network's one node, ms: what others take from the machine only makes it longer. */
async function timeNode(backend: Backend, network: Network, threads: number): Promise<number> {
  const { height, width } = network.inputShape;
  const session = await backend.open(network, { batch: 1, height, width });
  try {
    const input = plausibleInput(network, 1, height, width);
    const plan = makePlan(network);
    let shortestMs = Number.POSITIVE_INFINITY;
    for (let run = 0; run < runs; run++) {
      const { profile } = await session.run(input, { plan, maskers: [], threads });
      shortestMs = Math.min(shortestMs, profile.ops[0]!.totalMs);
    }
    return Math.max(shortestMs, 1e-6);
  } finally {
    session.dispose();
  }
}

function singleNode(channels: number, side: number, node: Network['nodes'][number]): Network {
  return {
    name: 'peak',
    format: 'built',
    inputShape: { channels, height: side, width: side },
    nodes: [node],
    input: 'input',
    output: 'output',
    notes: [],
  };
}

function convolutionNetwork(convolution: Convolution, side: number): Network {
  return singleNode(convolution.inChannels, side, {
    kind: 'convolution',
    name: 'peak',
    inputs: ['input'],
    output: 'output',
    convolution,
  });
}

function activationNetwork(side: number): Network {
  return singleNode(64, side, {
    kind: 'activation',
    name: 'peak',
    inputs: ['input'],
    output: 'output',
    activation: 'relu',
  });
}
