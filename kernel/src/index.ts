/**
 * What notebooks show: displays of networks, masks and latency, rich values, progress, comms and the live panel.
 *
 * @module @fovea/kernel
 * @packageDocumentation
 */
export { latencyBundle, type MimeBundle, masksBundle, tableBundle } from './display/bundle.js';
export { type CellOutput, connectOutput } from './display/cell-output.js';
export {
  type Comm,
  type CommData,
  type CommHandler,
  type CommRegistry,
  type CommTarget,
  comms,
} from './display/comm.js';
export { clearOutput, type DisplayHandle, type DisplayOptions, display } from './display/display.js';
export {
  breakdownView,
  breakEvenRate,
  compareView,
  fusionView,
  type Labelled,
  latencyDocument,
  latencyProfile,
  type ProfileLabel,
  paretoView,
  type RatioSweep,
  ratioView,
  strategiesView,
} from './display/documents/latency.js';
export {
  type MasksDocumentOptions,
  type MasksSource,
  masksBlock,
  masksDocument,
} from './display/documents/masks.js';
export { type Formatter, formatValue, registerFormatter } from './display/format.js';
export { type Fovea, fovea } from './display/fovea.js';
export {
  type NetworkImage,
  readImage,
  sampleImage,
  sampleImageNames,
} from './display/images.js';
export { live } from './display/live/hub.js';
export {
  LIVE_TARGET,
  type LiveBrowserRun,
  type LiveCatalogue,
  type LiveDevice,
  type LiveGpuPrediction,
  type LiveReply,
  type LiveRequest,
  type LiveState,
} from './display/live/protocol.js';
export { type LiveChannel, serveLive } from './display/live/target.js';
export {
  LATENCY_MIME,
  type LatencyBar,
  type LatencyBlock,
  type LatencyDocument,
  type LatencyOp,
  type LatencyProfile,
  type LatencyView,
  MASKS_MIME,
  type MasksBlock,
  type MasksDocument,
  type Origin,
  PLOTLY_MIME,
} from './display/mime.js';
export { nounBundle } from './display/nouns.js';
export { DISPLAY } from './display/own-display.js';
export {
  type Picture,
  type PictureOptions,
  type PictureSource,
  type Pixels,
  pictures,
} from './display/picture.js';
export { type PlotlyFigure, type PlotlyTrace, plotly } from './display/plotly.js';
export { Progress, type ProgressOptions, progress } from './display/progress.js';
export { packageFiles } from './display/python-package.js';
export { html, type ImageOptions, image, json, latex, markdown, png, Rich, svg } from './display/rich.js';
export { type ShowOptions, showImage, showLatency, showMasks, showMasksDocument } from './display/show.js';
export { SWEEP_MIME, SWEEP_TARGET, type SweepDocument, type SweepOrder } from './display/sweep-document.js';
export { type Cell, type Column, type Table, tableHtml, tableText } from './display/tables/table.js';
export { sweep } from './sweep/in-cell.js';
export type { PointRecord } from './sweep/point.js';
export { recordsCsv, recordsJsonLines } from './sweep/rows.js';
export type { SweepSpace } from './sweep/space/space.js';
export type { SweepOptions, SweepResult } from './sweep/sweep.js';
