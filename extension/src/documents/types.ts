import type {
  LATENCY_MIME as KernelLatencyMime,
  MASKS_MIME as KernelMasksMime,
  SWEEP_MIME as KernelSweepMime,
  SWEEP_TARGET as KernelSweepTarget,
} from '@fovea/kernel';

export type {
  LatencyBar,
  LatencyBlock,
  LatencyDocument,
  LatencyOp,
  LatencyProfile,
  LatencyView,
  MasksBlock,
  MasksDocument,
  Origin,
  SweepDocument,
  SweepOrder,
} from '@fovea/kernel';

// The kernel's code never reaches the browser, only its types: the constants are repeated, and checked, here.
export const MASKS_MIME: typeof KernelMasksMime = 'application/vnd.fovea.masks.v1+json';
export const LATENCY_MIME: typeof KernelLatencyMime = 'application/vnd.fovea.latency.v1+json';

export const SWEEP_MIME: typeof KernelSweepMime = 'application/vnd.fovea.sweep.v1+json';
export const SWEEP_TARGET: typeof KernelSweepTarget = 'fovea.sweep';

/** What other libraries emit for plotly figures: `{data, layout, config?}`. */
export const PLOTLY_MIME = 'application/vnd.plotly.v1+json';
