import { readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { makeFolder, underLock } from '@fovea/engine/files';
import { isJsonObject, type JsonObject } from '../json-object.js';
import { OneByOne } from '../one-by-one.js';
import { saveAtomically } from './contents/save.js';
import { readJson } from './http/body.js';
import { HttpError } from './http/errors.js';
import { empty, json } from './http/reply.js';
import type { Router } from './http/router.js';

/** Merges a change into a section: objects by key, null removes, everything else replaces. */
function merge(section: JsonObject, change: JsonObject): JsonObject {
  const merged = new Map(Object.entries(section));
  for (const [key, value] of Object.entries(change)) {
    const old = merged.get(key);
    if (value === null) merged.delete(key);
    else merged.set(key, isJsonObject(value) ? merge(isJsonObject(old) ? old : {}, value) : value);
  }
  return Object.fromEntries(merged);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Small named sections of configuration that front ends keep on the server. */
export function registerConfig(router: Router, stateFolder: string): void {
  const fileOf = (name: string): string => {
    if (!/^[\w-]{1,100}$/.test(name)) throw new HttpError(404, `No such section: ${name}`);
    return join(stateFolder, 'config', `${name}.json`);
  };
  /** @throws HttpError for one that is there and cannot be read: a change of it would replace all that it holds */
  const read = async (name: string): Promise<JsonObject> => {
    const file = fileOf(name);
    const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return '{}';
      throw error;
    });
    const value = parsed(text);
    if (isJsonObject(value)) return value;
    const where = `config/${basename(file)} in the state folder of the lab`;
    throw new HttpError(500, `The configuration was left as it is: ${where} is no JSON object`);
  };
  /** Two changes at once are both kept, also those of two labs. */
  const changes = new OneByOne();
  const change = (
    name: string,
    work: (write: (section: JsonObject) => Promise<void>) => Promise<JsonObject>,
  ) =>
    changes.do(() => {
      const file = fileOf(name);
      makeFolder(dirname(file), 0o700);
      const write = (section: JsonObject) => saveAtomically(file, JSON.stringify(section, null, 2));
      return underLock(`${file}.lock`, 'a change', () => work(write), { wait: true });
    });
  const path = '/api/config/:section';
  router.on('GET', path, async (call) => {
    const name = call.params.section!;
    fileOf(name);
    // A lab starts without what cannot be read.
    return json(await read(name).catch(() => ({})));
  });
  router.on('PUT', path, async (call) => {
    const section = await readJson(call.request);
    await change(call.params.section!, async (write) => {
      await write(section);
      return section;
    });
    return empty();
  });
  router.on('PATCH', path, async (call) => {
    const name = call.params.section!;
    const changed = await readJson(call.request);
    const section = await change(name, async (write) => {
      const merged = merge(await read(name), changed);
      await write(merged);
      return merged;
    });
    return json(section);
  });
}
