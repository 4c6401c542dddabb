import type { MaterialPaths } from '../compute/context.js';
import type { IdentifiedPoint, PointResult } from '../point.js';

/** Parent → runner: a point to compute. */
export interface RunnerTask extends IdentifiedPoint {
  readonly materials: MaterialPaths;
  /** Where the point's modules are; a worker of a queue hands none over, because it runs no code that came from there. */
  readonly modules?: MaterialPaths;
}

/** Parent → runner: modules to import; the result's `strategies` are the names that are known then. */
export interface StrategiesTask {
  readonly id: string;
  readonly importing: readonly string[];
}

/** What a runner reports about its machine, once, when it has started. */
export interface RunnerFacts {
  /** Folder of the user's Fovea files. */
  readonly dataFolder: string;
  /** Labels that follow from the machine. */
  readonly labels: Readonly<Record<string, string>>;
}

/** Runner → parent. */
export type RunnerMessage =
  | ({ readonly type: 'ready' } & RunnerFacts)
  | { readonly type: 'progress'; readonly id: string; readonly fraction: number }
  | { readonly type: 'result'; readonly id: string; readonly result: PointResult }
  | {
      readonly type: 'error';
      readonly id: string;
      readonly message: string;
      /** The system's code if the disk of the machine takes nothing more. */
      readonly disk?: string | undefined;
    };
