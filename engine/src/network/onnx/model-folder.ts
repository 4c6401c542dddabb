import { realpath } from 'node:fs/promises';
import { dirname, isAbsolute, join, relative, sep } from 'node:path';
import { FoveaError } from '../../errors.js';
import { readFileBytes } from '../../file.js';
import type { ReadBeside } from './external-data.js';

/**
 * Reads files inside a model's own folder, and no others: a model from elsewhere must not be able to read anything
 * else.
 */
export function readerBeside(modelPath: string): ReadBeside {
  return async (location, source) => readFileBytes(await confined(modelPath, location, source));
}

/** The path of a file that must lie in the model's folder or below it, links followed. */
async function confined(modelPath: string, location: string, source: string): Promise<string> {
  const refuse = (): never => {
    throw new FoveaError(
      'bad-file',
      `${source}: external data ${JSON.stringify(location)} is not inside the model's folder`,
    );
  };
  if (location === '' || location.includes('\0') || isAbsolute(location)) refuse();
  const folder = dirname(modelPath);
  const path = join(folder, location);
  if (!isInside(folder, path)) refuse();
  let real: string;
  try {
    real = await realpath(path);
  } catch (cause) {
    throw new FoveaError('io', `${source}: its external data ${path} cannot be read`, { cause });
  }
  if (!isInside(await realpath(folder), real)) refuse();
  return real;
}

function isInside(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way !== '' && way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}
