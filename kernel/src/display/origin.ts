import { saysOrigin } from '../presentation/index.js';
import type { Origin } from './mime.js';

/** `, measured` for a label that does not contain it already, to avoid "predicted, predicted". */
export function originSuffix(label: string, origin: Origin): string {
  return saysOrigin(label, origin) ? '' : `, ${origin}`;
}

/** The origin that all have, or undefined when they differ or there are none. */
export function commonOrigin(origins: readonly Origin[]): Origin | undefined {
  return origins.every((origin) => origin === origins[0]) ? origins[0] : undefined;
}
