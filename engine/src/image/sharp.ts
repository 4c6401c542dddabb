import { FoveaError } from '../errors.js';

type Sharp = typeof import('sharp').default;

let loading: Promise<Sharp> | undefined;

/**
 * The image library, loaded when the first image is met.
 * @throws FoveaError `backend-unavailable` when this machine has no build of it
 */
export async function loadSharp(): Promise<Sharp> {
  try {
    loading ??= import('sharp').then((module) => module.default);
    return await loading;
  } catch (cause) {
    const reason = (cause as Error).message.split('\n')[0];
    throw new FoveaError('backend-unavailable', `images cannot be read here: ${reason}`, { cause });
  }
}
