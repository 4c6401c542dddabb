import { realpath } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import { FoveaError } from '@fovea/engine';
import { readFileBytes } from '@fovea/engine/internal';
import { sha256Of } from './point.js';

/** A file that a worker needs beside its point. */
export interface MaterialFile {
  readonly name: string;
  readonly sha256: string;
  readonly bytes: number;
  /** Its path on the machine that provided it; valid on others only if they share the folder. */
  readonly path: string;
}

/** Something that points name by content hash: the first file is what is opened, others lie beside it. */
export interface Material {
  readonly sha256: string;
  readonly files: readonly MaterialFile[];
}

/**
 * A network's file as workers get it, with the JSON configuration that lies beside it.
 * @throws FoveaError `io` or `bad-file` when it cannot be read
 */
export async function networkMaterial(path: string, exists: (path: string) => boolean): Promise<Material> {
  const real = await realpath(path).catch((cause: unknown) => {
    throw new FoveaError('io', `cannot read ${path}: there is no such file`, { cause });
  });
  const configuration = `${real.slice(0, real.length - extname(real).length)}.json`;
  const paths = configuration !== real && exists(configuration) ? [real, configuration] : [real];
  const files: MaterialFile[] = [];
  for (const each of paths) {
    const content = await readFileBytes(each);
    files.push({ name: basename(each), sha256: sha256Of(content), bytes: content.length, path: each });
  }
  return materialOf(files);
}

/** A material's own hash: of the only file, or of all their names and hashes. */
export function materialOf(files: readonly MaterialFile[]): Material {
  const sha256 =
    files.length === 1
      ? files[0]!.sha256
      : sha256Of(files.map(({ name, sha256: hash }) => `${hash} ${name}\n`).join(''));
  return { sha256, files };
}
