import type { LatencyDocument } from './mime.js';

/** MIME type of the document that shows a sweep. */
export const SWEEP_MIME = 'application/vnd.fovea.sweep.v1+json';

/** Comm target by which the display's buttons reach the kernel: opened with a `SweepOrder`, and closed at once. */
export const SWEEP_TARGET = 'fovea.sweep';

/** The order that a button of the display sends. */
export interface SweepOrder {
  /** `id` of the document. */
  readonly id: string;
  readonly action: 'pause' | 'resume' | 'cancel';
}

/** `application/vnd.fovea.sweep.v1+json`: a sweep as it stands, under way or over. */
export interface SweepDocument {
  readonly version: 1;
  /** Names this display of it to the kernel that shows it. */
  readonly id: string;
  readonly name: string;
  readonly state: 'running' | 'paused' | 'cancelled' | 'completed' | 'stopped';
  readonly points: number;
  readonly completed: number;
  readonly failed: number;
  readonly elapsedMs: number;
  /** Estimated time for the rest; absent where there is no estimate. */
  readonly leftMs?: number;
  readonly running: readonly { readonly label: string; readonly worker: string; readonly fraction: number }[];
  /** What prevents points from running. */
  readonly notices: readonly string[];
  /** Files of the folder of images that are not used, and why; not in documents of earlier versions. */
  readonly skipped?: readonly string[];
  /** One row for each setting, the latest last; of many the latest only. */
  readonly table: {
    readonly columns: readonly string[];
    readonly rows: readonly (readonly (string | number)[])[];
  };
  /** Quality against latency, where both are known. */
  readonly latency?: LatencyDocument;
}
