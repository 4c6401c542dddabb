import type { Origin } from '../display/mime.js';

/** Whether a label already contains the origin of its figure, to avoid "predicted, predicted". */
export function saysOrigin(label: string, origin: Origin): boolean {
  return label.toLowerCase().includes(origin);
}
