import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { builtNetwork, deviceNames, FoveaError, predict, strategyNames } from '@fovea/engine';
import { backendNames } from '@fovea/engine/backend';
import { describe, expect, it } from 'vitest';
import { fovea } from '../../kernel/src/display/fovea.js';
import { checkSpace } from '../../kernel/src/sweep/space/check-space.js';
import { readJson, root } from './tarballs.js';

const textOf = (guide: string) => readFileSync(join(root, guide), 'utf8');

/** The words that stand in no inline code of a guide. */
function missingIn(guide: string, words: readonly string[]): string[] {
  const code = [...textOf(guide).matchAll(/`([^`\n]+)`/g)].map(([, inside]) => inside).join('\n');
  return words.filter((word) => !new RegExp(`(?<![\\w-])${word}(?![\\w-])`).test(code));
}

/** The fields that an error about an unknown one says are accepted. */
function acceptedBy(check: () => unknown): string[] {
  try {
    check();
  } catch (error) {
    const list = error instanceof FoveaError && /[:;] ([\w, ]+) are accepted/.exec(error.message)?.[1];
    if (list) return list.split(', ');
    throw error;
  }
  throw new Error('an unknown field was accepted');
}

describe('the guides name every', () => {
  it('entry of the engine', () => {
    const entries = Object.keys(readJson(join(root, 'engine/package.json')).exports)
      .filter((entry) => entry !== './package.json')
      .map((entry) => entry.replace('.', '@fovea/engine'));
    expect(entries).toContain('@fovea/engine/web');
    expect(missingIn('engine/README.md', entries)).toEqual([]);
  });

  it('strategy, backend and device', () => {
    expect(missingIn('docs/strategies.md', [...strategyNames(), ...backendNames()])).toEqual([]);
    expect(missingIn('docs/prediction.md', deviceNames())).toEqual([]);
  });

  it('field of a device', () => {
    const device = { name: 'mine', unheardOf: 1 } as never;
    const fields = acceptedBy(() => predict(builtNetwork('resnet18'), { device }));
    expect(fields).toContain('launchMs');
    expect(missingIn('docs/prediction.md', fields)).toEqual([]);
  });

  it('field of a sweep', () => {
    const fields = acceptedBy(() => checkSpace({ unheardOf: 1 }));
    expect(fields).toContain('repeats');
    expect(missingIn('docs/sweeps.md', fields)).toEqual([]);
  });

  it('member of `fovea`', () => {
    expect(missingIn('docs/kernel.md', [...Object.keys(fovea), 'signal'])).toEqual([]);
  });

  it('plugin, command and file type of the extension', () => {
    const sources = readdirSync(join(root, 'extension/src'), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => textOf(join('extension/src', file)))
      .join('\n');
    const found = (pattern: RegExp) => [...sources.matchAll(pattern)].map(([, name]) => name!);
    const renderers = [...textOf('extension/src/mime.ts').matchAll(/^ {4}name: '(\w+)',$/gm)];
    const plugins = [...found(/id: '@fovea\/lab(:\w+)'/g), ...renderers.map(([, name]) => `:${name}`)];
    expect(plugins).toEqual(expect.arrayContaining([':panel', ':masks']));
    const commands = found(/'(fovea:[a-z]+-[a-z]+|fovea:run)'/g);
    const types = [...found(/suffix: '(\.[\w.-]+)'/g), ...found(/'(application\/vnd\.[\w.+]+)'/g)];
    const text = textOf('extension/README.md');
    expect([...plugins, ...commands, ...types].filter((name) => !text.includes(name))).toEqual([]);
  });
});

it('environment variables of Fovea that its programs read are in a guide', () => {
  const sources = ['engine/src', 'kernel/src'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => textOf(join(folder, file))),
  );
  const read = new Set(
    sources.flatMap((text) =>
      [...text.matchAll(/(?:process\.env\.|environment\(')(FOVEA_[A-Z_]+)/g)].map(([, name]) => name!),
    ),
  );
  const guides = readdirSync(join(root, 'docs'))
    .filter((file) => file.endsWith('.md'))
    .map((file) => textOf(join('docs', file)))
    .join('\n');
  expect(read.size).toBeGreaterThan(5);
  expect([...read].filter((name) => !guides.includes(name))).toEqual([]);
});
