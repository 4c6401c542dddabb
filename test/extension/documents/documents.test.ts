import { readFileSync } from 'node:fs';
import Ajv, { type ValidateFunction } from 'ajv';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MalformedDocument } from '../../../extension/src/documents/check-fields';
import { readLatency } from '../../../extension/src/documents/latency';
import { readMasks } from '../../../extension/src/documents/masks';
import { readSweep } from '../../../extension/src/documents/sweep';
import {
  breakdownView,
  compareView,
  latencyDocument,
  masksBlock,
  paretoView,
  strategiesView,
} from '../../../kernel/src/index';
import { sampleProfile as kernelProfile, leftHalfMask, sampleNetwork } from '../../kernel/display/samples';
import { sampleLatency, sampleMasks, sampleSweep, sampleViews, tinyMasks } from '../support/samples';

const schema = (name: string): ValidateFunction => {
  const text = readFileSync(
    new URL(`../../../extension/schema-mime/${name}.v1.schema.json`, import.meta.url),
    'utf8',
  );
  return new Ajv({ strict: true, allowUnionTypes: true }).compile(JSON.parse(text));
};

type Path = readonly (string | number)[];

/** Paths of everything below a document. */
function paths(value: unknown, path: Path = []): Path[] {
  if (value === null || typeof value !== 'object') return [path];
  return [path, ...Object.entries(value).flatMap(([key, below]) => paths(below, [...path, key]))];
}

/** The document with one place replaced; `undefined` removes it. */
function replaced(document: unknown, path: Path, value: unknown): unknown {
  if (path.length === 0) return value;
  const copy = structuredClone(document) as Record<string, unknown>;
  let at = copy;
  for (const key of path.slice(0, -1)) at = at[key] as Record<string, unknown>;
  const last = path.at(-1)!;
  if (value === undefined && Array.isArray(at)) at.splice(Number(last), 1);
  else if (value === undefined) delete at[last];
  else at[last] = value;
  return copy;
}

const accepts = (read: (value: unknown) => unknown, document: unknown) => {
  try {
    read(document);
    return true;
  } catch (error) {
    expect(error).toBeInstanceOf(MalformedDocument);
    return false;
  }
};

const OTHER_VALUES = [undefined, null, -2, 0.5, 1, 7, Number.NaN, '', 'x', '01', [], [1], {}, true];

/** Views with all that they may have. */
const fullViews = (): unknown[] =>
  sampleViews().map((view) =>
    view.kind === 'pareto'
      ? {
          ...view,
          points: view.points.map((point) => ({ ...point, msRange: [point.ms, 99], scoreRange: [0, 99] })),
        }
      : view,
  );

describe.each([
  ['masks', readMasks, tinyMasks()],
  ['latency', readLatency, { version: 1, views: fullViews().map(lessOf) }],
  ['sweep', readSweep, sampleSweep('running', 2)],
] as const)('the reader of %s documents', (name, read, sample) => {
  const validate = schema(name);

  it('accepts a sound document, and so does the published schema', () => {
    const document = { masks: sampleMasks(2), latency: sampleLatency(), sweep: sampleSweep('paused') }[name];
    expect(read(document)).toBe(document);
    expect(validate(document), JSON.stringify(validate.errors?.[0])).toBe(true);
  });

  it('ignores fields that it does not know', () => {
    expect(accepts(read, { ...sample, later: { anything: 1 } })).toBe(true);
    expect(validate({ ...sample, later: { anything: 1 } })).toBe(true);
  });

  it('never accepts what the schema refuses, whatever one place of the document holds', () => {
    let refused = 0;
    for (const path of paths(sample)) {
      for (const value of OTHER_VALUES) {
        const document = replaced(sample, path, value);
        const sound = validate(document);
        if (!sound) refused += 1;
        if (accepts(read, document)) expect(sound, `${path.join('.')} = ${String(value)}`).toBe(true);
      }
    }
    expect(refused).toBeGreaterThan(100);
  });

  it('answers any JSON at all with the document or a MalformedDocument', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(accepts(read, value)).toBe(false);
      }),
      { seed: 7, numRuns: 300 },
    );
  });

  it('says what to do about a document of a newer version', () => {
    expect(() => read({ ...sample, version: 2 })).toThrow(
      'version: found 2, expected version 1; a newer kernel',
    );
  });
});

/** A view with two entries of everything, so that all its places can be tried. */
function lessOf(view: unknown): unknown {
  return JSON.parse(JSON.stringify(view), (_, value) => (Array.isArray(value) ? value.slice(0, 2) : value));
}

/** Names of the fields that the types whose names begin with `start` declare. */
function declaredFields(file: string, start: string): Set<string> {
  const text = readFileSync(new URL(`../../../kernel/src/display/${file}`, import.meta.url), 'utf8');
  const types = text
    .split(/^export /m)
    .filter((part) => /^(?:interface|type) (\w+)/.exec(part)?.[1]?.startsWith(start));
  const fields = types.flatMap((part) => [...part.matchAll(/readonly (\w+)\??:/g)].map(([, name]) => name!));
  return new Set(fields);
}

/** Names of all properties that a schema describes. */
function describedFields(node: unknown): string[] {
  if (node === null || typeof node !== 'object') return [];
  const { properties = {} } = node as { properties?: object };
  return [...Object.keys(properties), ...Object.values(node).flatMap(describedFields)];
}

describe('the schema of', () => {
  it.each([
    ['masks', 'mime.ts', 'Masks'],
    ['latency', 'mime.ts', 'Latency'],
    ['sweep', 'sweep-document.ts', 'SweepDocument'],
  ])('%s documents describes the fields that their types have, and no others', (name, file, start) => {
    const path = new URL(`../../../extension/schema-mime/${name}.v1.schema.json`, import.meta.url);
    const described = describedFields(JSON.parse(readFileSync(path, 'utf8')));
    expect(described.length).toBeGreaterThan(10);
    expect(new Set(described)).toEqual(declaredFields(file, start));
  });
});

describe('messages about masks', () => {
  const [image] = tinyMasks().images;
  const withBlock = (change: object) => ({
    ...tinyMasks(),
    images: [{ ...image, blocks: [{ ...image!.blocks[0], ...change }] }],
  });

  it.each([
    [{ cells: '10' }, 'images[0].blocks[0].cells: found 2, expected 4 characters 0 or 1 (rows · columns)'],
    [{ cells: '10a0' }, 'images[0].blocks[0].cells: found "10a0", expected 4 characters'],
    [{ rows: 5 }, 'images[0].blocks[0].rows: found 5, expected a number from 1 to 4'],
    [{ rate: 1.5 }, 'images[0].blocks[0].rate: found 1.5, expected a number from 0 to 1'],
    [{ height: 1e9 }, 'images[0].blocks[0].height: found 1000000000'],
    [{ margins: { scale: 1, base64: 'AAAA' } }, 'margins.base64: found 3, expected 4 bytes (rows · columns)'],
    [{ margins: { scale: 1, base64: '<b>x' } }, 'margins.base64: found "<b>x", expected base64 text'],
  ])('%j', (change, message) => {
    expect(() => readMasks(withBlock(change))).toThrow(message);
  });

  it('name an image that is not there', () => {
    expect(() => readMasks({ version: 1, network: 'n', images: [] })).toThrow('images: found an array of 0');
  });
});

describe('documents that the kernel writes', () => {
  const network = sampleNetwork();

  it('are accepted: latency', () => {
    const profile = kernelProfile(network);
    const views = [
      compareView([profile, profile]),
      breakdownView(profile),
      strategiesView([profile], { dense: 12 }),
      paretoView([{ label: 'a', ms: 1, score: 2 }]),
    ];
    const document = JSON.parse(JSON.stringify(latencyDocument([profile, ...views])));
    expect(readLatency(document)).toBe(document);
    const validate = schema('latency');
    expect(validate(document), JSON.stringify(validate.errors?.[0])).toBe(true);
  });

  it('are accepted: masks', () => {
    const mask = { ...leftHalfMask(0, 14, 2), margins: new Float32Array(49).fill(-0.5) };
    const [image] = tinyMasks().images;
    const document = {
      ...tinyMasks(),
      images: [{ ...image!, blocks: [masksBlock(mask, 0, 'layer1.0', 0)] }],
    };
    expect(readMasks(document)).toBe(document);
    expect(schema('masks')(document)).toBe(true);
  });
});
