/**
 * What the kernel's own pictures and texts and the lab's displays say alike: plain functions over plain data, which
 * run in a browser too. For Fovea's own packages, not public: names here change without notice.
 */
export { counted } from './counted.js';
export { csvText } from './csv.js';
export { distinctNames } from './distinct-names.js';
export { BUSY_ICON_SVG, ICON_SVG } from './icon.js';
export { type Box, type LabelSide, labelPlaces, type NamedPoint } from './label-places.js';
export { largestPictureBytes } from './largest-picture.js';
export { numberText } from './number-text.js';
export { saysOrigin } from './origin.js';
export { formatPercent } from './percent.js';
export { viewTitle } from './view-title.js';
