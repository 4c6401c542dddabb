import { readdir, readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { makeFolder } from '@fovea/engine/files';
import { Ajv, type AnySchema, type ValidateFunction } from 'ajv';
import JSON5 from 'json5';
import { isJsonObject } from '../../json-object.js';
import { OneByOne } from '../../one-by-one.js';
import { saveAtomically } from '../contents/save.js';
import { readJson, stringField } from '../http/body.js';
import { HttpError } from '../http/errors.js';
import { empty, json } from '../http/reply.js';
import type { Router } from '../http/router.js';

interface Schema {
  readonly id: string;
  readonly file: string;
  readonly version: string;
}

/** Every plugin's settings: its schema as built, and what the user wrote over it, as JSON with comments. */
export class Settings {
  /** Of two savings at once the later one counts. */
  private readonly savings = new OneByOne();

  /**
   * @param schemaFolders folders that hold `<package>/<plugin>.json` schemas
   * @param stateFolder where the user's values are kept
   */
  constructor(
    private readonly schemaFolders: () => readonly string[],
    private readonly stateFolder: string,
  ) {}

  /** Adds the routes below `/lab/api/settings`. */
  register(router: Router): void {
    router.on('GET', '/lab/api/settings/*id', async (call) => {
      const id = call.params.id!;
      const schemas = await this.schemas();
      if (id !== '') return json(await this.entry(this.find(schemas, id)));
      if (call.query.get('ids_only') === 'true') {
        return json({ settings: [...schemas.keys()].map((known) => ({ id: known })) });
      }
      const entries = [...schemas.values()].map((schema) => this.entry(schema).catch(() => undefined));
      // Without those of the others the lab would not start.
      return json({ settings: (await Promise.all(entries)).filter((entry) => entry !== undefined) });
    });
    router.on('PUT', '/lab/api/settings/*id', async (call) => {
      const raw = stringField(await readJson(call.request), 'raw');
      await this.savings.do(() => this.save(call.params.id!, raw));
      return empty();
    });
  }

  private async save(id: string, raw: string | undefined): Promise<void> {
    const schema = this.find(await this.schemas(), id);
    if (raw === undefined) throw new HttpError(400, 'raw is missing');
    await this.check(schema, parse(raw));
    const file = this.userFile(schema.id);
    makeFolder(dirname(file), 0o700);
    await saveAtomically(file, raw);
  }

  private find(schemas: ReadonlyMap<string, Schema>, id: string): Schema {
    const schema = schemas.get(id);
    if (!schema) throw new HttpError(404, `Schema not found: ${id}`);
    return schema;
  }

  /** @throws HttpError 400 for values that the plugin's schema does not allow */
  private async check({ id, file }: Schema, settings: unknown): Promise<void> {
    // Schemas hold keywords of JupyterLab's own, and formats that only its forms know.
    const ajv = new Ajv({ strict: false, validateFormats: false, logger: false });
    let validate: ValidateFunction;
    try {
      validate = ajv.compile(JSON.parse(await readFile(file, 'utf8')) as AnySchema);
    } catch {
      // An invalid schema of a labextension does not prevent saving settings.
      return;
    }
    if (validate(settings)) return;
    const [error] = validate.errors ?? [];
    const place = error?.instancePath.slice(1).replaceAll('/', '.') || 'the whole';
    throw new HttpError(400, `${id}: ${place} ${error?.message ?? 'does not fit'}; nothing was changed`);
  }

  private userFile(id: string): string {
    return join(this.stateFolder, 'settings', `${id.replace(':', '/')}.jupyterlab-settings`);
  }

  private async schemas(): Promise<Map<string, Schema>> {
    const found = new Map<string, Schema>();
    for (const folder of this.schemaFolders()) {
      for (const name of await packagesIn(folder)) {
        const inside = join(folder, name);
        const version = await readFile(join(inside, 'package.json.orig'), 'utf8')
          .then((text) => String((JSON.parse(text) as { version?: unknown }).version ?? ''))
          .catch(() => '');
        for (const file of await namesIn(inside)) {
          if (!file.endsWith('.json')) continue;
          const id = `${name}:${file.slice(0, -'.json'.length)}`;
          if (!found.has(id)) found.set(id, { id, file: join(inside, file), version });
        }
      }
    }
    return found;
  }

  private async entry({ id, file, version }: Schema) {
    const schema: unknown = JSON.parse(await readFile(file, 'utf8'));
    const user = this.userFile(id);
    const raw = await readFile(user, 'utf8').catch(() => '{}');
    const status = await stat(user).catch(() => undefined);
    let settings: unknown = {};
    try {
      settings = parse(raw);
    } catch {
      // Edited by hand into something unreadable: the editor shows the text, the plugin runs on its defaults.
    }
    return {
      id,
      schema,
      version,
      raw,
      settings,
      last_modified: status?.mtime.toISOString() ?? null,
      created: status?.ctime.toISOString() ?? null,
    };
  }
}

function parse(raw: string): unknown {
  let value: unknown;
  try {
    value = JSON5.parse(raw.trim() === '' ? '{}' : raw);
  } catch (error) {
    throw new HttpError(400, `The settings are not valid JSON5: ${(error as Error).message}`);
  }
  if (!isJsonObject(value)) throw new HttpError(400, 'The settings must be an object');
  return value;
}

/** What is in a folder; nothing in a file that lies among folders, such as `.DS_Store`. */
const namesIn = (folder: string): Promise<string[]> => readdir(folder).catch(() => []);

/** Package names below a folder, scoped ones as `@scope/name`. */
async function packagesIn(folder: string): Promise<string[]> {
  const names = await namesIn(folder);
  const nested = await Promise.all(
    names
      .sort()
      .map(async (name) =>
        name.startsWith('@')
          ? (await namesIn(join(folder, name))).sort().map((inner) => `${name}/${inner}`)
          : [name],
      ),
  );
  return nested.flat();
}
