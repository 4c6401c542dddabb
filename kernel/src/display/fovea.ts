import { sweep } from '../sweep/in-cell.js';
import { latencyBundle, masksBundle, tableBundle } from './bundle.js';
import {
  breakdownView,
  compareView,
  fusionView,
  latencyDocument,
  latencyProfile,
  paretoView,
  ratioView,
  strategiesView,
} from './documents/latency.js';
import { masksDocument } from './documents/masks.js';
import { readImage, sampleImage, sampleImageNames } from './images.js';
import { live } from './live/hub.js';
import { plotly } from './plotly.js';
import { progress } from './progress.js';
import { packageFiles } from './python-package.js';
import { showImage, showLatency, showMasks, showMasksDocument } from './show.js';

/** What every notebook has under the name `fovea`; also exported individually from `@fovea/kernel`. */
export const fovea = {
  showMasks,
  showMasksDocument,
  showLatency,
  showImage,
  readImage,
  sampleImage,
  sampleImageNames,
  packageFiles,
  live,
  plotly,
  progress,
  sweep,
  masksDocument,
  latencyDocument,
  latencyProfile,
  compareView,
  breakdownView,
  ratioView,
  fusionView,
  strategiesView,
  paretoView,
  masksBundle,
  latencyBundle,
  tableBundle,
} as const;

/** In a notebook `signal` is there too: it aborts when the running cell is interrupted. */
export type Fovea = typeof fovea & { readonly signal: AbortSignal | undefined };
