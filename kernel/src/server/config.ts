import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
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

/** Small named sections of configuration that front ends keep on the server. */
export function registerConfig(router: Router, stateFolder: string): void {
  const fileOf = (name: string): string => {
    if (!/^[\w-]{1,100}$/.test(name)) throw new HttpError(404, `No such section: ${name}`);
    return join(stateFolder, 'config', `${name}.json`);
  };
  const read = async (name: string): Promise<JsonObject> => {
    try {
      const value: unknown = JSON.parse(await readFile(fileOf(name), 'utf8'));
      return isJsonObject(value) ? value : {};
    } catch (error) {
      if (error instanceof HttpError) throw error;
      return {};
    }
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
  router.on('GET', path, async (call) => json(await read(call.params.section!)));
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
