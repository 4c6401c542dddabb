import type { LiveBrowserRun, LiveState } from '../protocol';

/** One run for the worker. */
export interface GpuJob extends LiveBrowserRun {
  /** What the network was given in the kernel: `shape`'s values. */
  readonly input: Float32Array;
  /** Who decides the masks, as the panel's controls say. */
  readonly masks: Pick<LiveState, 'masker' | 'rate' | 'region'>;
  /** Whether times are wanted: dense and adaptive runs then take turns. */
  readonly timed: boolean;
}

/** Panel → worker. Of runs only the last one asked for is of interest. */
export type GpuRequest =
  | {
      readonly type: 'network';
      readonly key: string;
      readonly name: string;
      readonly bytes: Uint8Array;
    }
  | { readonly type: 'run'; readonly id: number; readonly job: GpuJob }
  | { readonly type: 'cancel' };

/** One block's mask: `rows · columns` characters, `1` where it is computed. */
export interface GpuMask {
  readonly block: number;
  readonly rows: number;
  readonly columns: number;
  readonly cells: string;
}

/** What a run came to. */
export interface GpuAnswer {
  readonly masks: readonly GpuMask[];
  readonly output: Float32Array;
  /** Where times were wanted: medians of the run, and of all computed densely. */
  readonly times?: { readonly totalMs: number; readonly denseMs: number };
}

/** Worker → panel. */
export type GpuReply =
  | { readonly type: 'done'; readonly id: number; readonly answer: GpuAnswer }
  | { readonly type: 'failed'; readonly id: number; readonly message: string };
