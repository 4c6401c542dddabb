import { FoveaError } from '@fovea/engine/errors';

/** The option by which machines get labels. */
export const LABEL_OPTION = '--label <key=value>';

/**
 * Adds one label to those given before.
 * @throws FoveaError `bad-argument` for anything but `key=value`
 */
export function collectLabel(
  text: string,
  labels: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> {
  const [, key, value] = /^([^=\s]+)=(.+)$/.exec(text) ?? [];
  if (key === undefined || value === undefined)
    throw new FoveaError('bad-argument', `--label ${text}: key=value is accepted, such as host=tx2-1`);
  return { ...labels, [key]: value };
}
