/**
 * A device as the predictor knows it: plain data, so that a user writes one in a cell and a calibration is
 * a JSON file. Rates are per second, sizes in bytes, times in milliseconds.
 */
export interface Device {
  readonly name: string;
  /** Where the figures come from: a data sheet, a publication, a calibration. */
  readonly source: string;
  readonly kind: 'gpu' | 'cpu';
  /** Processing engines (streaming multiprocessors, cores). */
  readonly processingEngines: number;
  /** Multiply-adds a cycle in float32, per processing engine. */
  readonly lanes: number;
  readonly frequencyHz: number;
  /** Off-chip memory bandwidth, bytes/s. */
  readonly memoryBandwidth: number;
  /** Bandwidth of the shared on-chip level over that of off-chip memory. */
  readonly cacheBandwidthRatio: number;
  /** Capacity of the shared on-chip level. */
  readonly cacheBytes: number;
  /** Cost of starting one pass. */
  readonly launchMs: number;
  /** Batch that the published figures of this device use. */
  readonly nominalBatch: number;
  /** Where a single field comes from, when `source` does not say it all. */
  readonly sources?: Readonly<Record<string, string>>;
  /** Measured efficiencies and overheads; present on calibrated devices only. */
  readonly calibration?: Calibration;
}

/** What calibration measured; the fovea cost model defines and documents its fields in predict/calibration.ts. */
export type Calibration = Readonly<Record<string, unknown>>;
