import type { LATENCY_MIME as KernelLatencyMime, MASKS_MIME as KernelMasksMime } from '@fovea/kernel';

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
} from '@fovea/kernel';

// The kernel's code never reaches the browser, only its types: the constants are repeated, and checked, here.
export const MASKS_MIME: typeof KernelMasksMime = 'application/vnd.fovea.masks.v1+json';
export const LATENCY_MIME: typeof KernelLatencyMime = 'application/vnd.fovea.latency.v1+json';

/** What other libraries emit for plotly figures: `{data, layout, config?}`. */
export const PLOTLY_MIME = 'application/vnd.plotly.v1+json';
