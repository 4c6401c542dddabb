/**
 * What the native kernels' time is made of. Every pass is described by the amounts below; a calibration finds
 * what one unit of each costs on a machine, and a prediction is the sum of amounts times costs. All amounts
 * are counts of what the program does, so that unknown shapes are predicted as well as known ones.
 */
export const featureNames = [
  // Computation. A register tile holds rows x vectors sums and walks the reduction step by step.
  'multiplyAdds',
  'weightSteps',
  'tileSteps',
  'tileCalls',
  'partialSums',
  'depthwise',
  'squareInputs',
  'squareOutputs',
  'pointed',
  'pointers',
  'elements',
  'rows',
  'panels',
  // Data movement, bytes by the nearest level that holds the tensor: second-level cache, last level, memory.
  'weightsFirst',
  'readNear',
  'readFar',
  'readMemory',
  'againNear',
  'againFar',
  'againMemory',
  'readStrided',
  'breaksNear',
  'breaksFar',
  'breaksMemory',
  'runsNear',
  'runsFar',
  'runsMemory',
  'groupRuns',
  'residualNear',
  'residualFar',
  'residualMemory',
  'writeNear',
  'writeFar',
  'writeMemory',
  'poolBytes',
  'copyBytes',
  'scatterNear',
  'scatterFar',
  'scatterMemory',
  'addNear',
  'addFar',
  'addMemory',
  'gatherNear',
  'gatherFar',
  'gatherMemory',
  // Overhead.
  'passes',
  'convolutions',
  'calls',
  'items',
  'indexRegions',
  'indexPixels',
  'indexListed',
  'indexRuns',
  'indexSquares',
  'indexHalo',
  'decisions',
] as const;

export type FeatureName = (typeof featureNames)[number];

/** How each amount counts in the three-way split of a Profile. */
export type Share = 'compute' | 'data' | 'overhead';

const firstData = featureNames.indexOf('weightsFirst');
const firstOverhead = featureNames.indexOf('passes');

/** The share that the amount at `index` belongs to. */
export function shareOf(index: number): Share {
  if (index < firstData) return 'compute';
  return index < firstOverhead ? 'data' : 'overhead';
}

const indices = Object.fromEntries(featureNames.map((name, i) => [name, i])) as Readonly<
  Record<FeatureName, number>
>;

/** The amounts of one pass. */
export class Features {
  readonly values = new Float64Array(featureNames.length);

  add(name: FeatureName, amount: number): void {
    this.values[indices[name]]! += amount;
  }

  /** The sum of amounts times their costs. */
  cost(costs: Float64Array): number {
    let sum = 0;
    for (let i = 0; i < this.values.length; i++) sum += this.values[i]! * costs[i]!;
    return sum;
  }

  /** Adds another pass's amounts. */
  addAll(other: Features): void {
    for (let i = 0; i < this.values.length; i++) this.values[i]! += other.values[i]!;
  }
}

/** Sizes that the native kernels' work depends on. */
export interface NativeMachine {
  /** Floats in a vector register. */
  readonly lanes: number;
  /** Rows and vectors of a register tile. */
  readonly tileRows: number;
  readonly tileVectors: number;
  /** Second-level cache of a core, and last-level cache, bytes. */
  readonly nearBytes: number;
  readonly farBytes: number;
}
