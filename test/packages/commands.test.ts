import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { addCommands } from '../../kernel/src/cli/command-table.js';
import { readJson, root } from './tarballs.js';

const guides = ['.', 'docs', 'engine', 'kernel', 'extension'].flatMap((folder) =>
  readdirSync(join(root, folder))
    .filter((file) => file.endsWith('.md') && file !== 'CHANGELOG.md')
    .map((file) => join(folder, file)),
);

interface Mention {
  readonly where: string;
  readonly line: string;
}

/** Lines of code blocks and inline code of all guides. */
const mentions: Mention[] = guides.flatMap((file) => {
  const text = readFileSync(join(root, file), 'utf8');
  const blocks = [...text.matchAll(/^```(?:sh|console|yaml)?\n(.*?)^```$/gms)].flatMap(([, code]) =>
    code!.split('\n'),
  );
  const indented = [...text.matchAll(/^ {4}(?=\S)(.*)$/gm)].map(([, line]) => line!);
  const inline = [...text.matchAll(/`([^`\n]+)`/g)].map(([, code]) => code!);
  return [...blocks, ...indented, ...inline].map((line) => ({ where: file, line: line.split(' # ')[0]! }));
});

/** The commands of `fovea` with the options that each takes. */
async function foveaCommands(): Promise<Map<string, readonly string[]>> {
  const program = new Command();
  await addCommands(program, () => true);
  return new Map(
    program.commands.map((command) => [
      command.name(),
      [command, ...command.commands].flatMap(({ options }) =>
        options.flatMap(({ long, short }) => [long, short].filter((name) => name !== undefined)),
      ),
    ]),
  );
}

/** Guides that describe all options of a command, and the options that they need not. */
const OPTIONS_IN: readonly (readonly [guide: string, command: string, others: RegExp])[] = [
  ['docs/lab.md', 'lab', /^$/],
  ['docs/networks.md', 'infer', /^--(?!size|resize|crop|mean|std|output-name)/],
  ['docs/sweeps.md', 'sweep', /^$/],
  ['docs/sweeps.md', 'sweeps', /^$/],
  ['docs/sweeps.md', 'worker', /^--name$/],
  ['docs/clusters.md', 'launcher', /^--RemoteProcessProxy/],
  ['docs/training.md', 'train', /^--(threads|json)$/],
];

describe('the commands of the guides', () => {
  it('are all that there are', async () => {
    const text = readFileSync(join(root, 'docs/command-line.md'), 'utf8');
    const listed = [...text.matchAll(/`([a-z]+)(?: [^`]*)?`/g)].map(([, name]) => name);
    expect(listed).toEqual(expect.arrayContaining([...(await foveaCommands()).keys()]));
  });

  it.each(OPTIONS_IN)('%s has every option of %s', async (guide, command, others) => {
    const text = readFileSync(join(root, guide), 'utf8');
    const options = (await foveaCommands()).get(command)!.filter((name) => name.startsWith('--'));
    const missing = options.filter(
      (name) => !others.test(name) && !new RegExp(`${name}(?![\\w-])`).test(text),
    );
    expect(missing).toEqual([]);
  });

  it('are commands of fovea, with options that they take', async () => {
    const commands = await foveaCommands();
    const wrong: string[] = [];
    let found = 0;
    for (const { where, line } of mentions) {
      for (const [, name, rest] of line.matchAll(/(?:^|npx |exec |srun |&& |")fovea ([a-z]+)([^&|;"]*)/g)) {
        found++;
        const accepted = commands.get(name!);
        const options = [...rest!.matchAll(/(?<=\s|\[)--?[a-z][a-z-]*/g)].map(([option]) => option);
        const unknown = options.filter((option) => option !== '--help' && !accepted?.includes(option));
        if (!accepted || unknown.length > 0) wrong.push(`${where}: ${line} ${unknown.join(' ')}`);
      }
    }
    expect(found).toBeGreaterThan(60);
    expect(wrong).toEqual([]);
  });

  it('are scripts of the repository', () => {
    const { scripts } = readJson(join(root, 'package.json'));
    const wrong = mentions.flatMap(({ where, line }) => [
      ...[...line.matchAll(/npm run (?:-s )?([\w:]+)/g)]
        .filter(([, name]) => !(name! in scripts))
        .map(([command]) => `${where}: ${command}`),
      ...[...line.matchAll(/(?:^|\s)node (scripts\/\S+\.mjs)/g)]
        .filter(([, path]) => !existsSync(join(root, path!)))
        .map(([command]) => `${where}: ${command}`),
      ...[...line.matchAll(/vitest run .*?(test\/\S+)/g)]
        .filter(([, path]) => !existsSync(join(root, path!)))
        .map(([command]) => `${where}: ${command}`),
    ]);
    expect(wrong).toEqual([]);
  });

  it('name files that exist', () => {
    const folders = [
      '.',
      'engine/src',
      'engine/src/backends/webgpu',
      'kernel/src',
      'extension/src',
      'engine/native/infer',
      'docs',
      'scripts',
    ];
    const paths = mentions.flatMap(({ where, line }) =>
      /^[\w-]+(\/[\w.-]+)*\.(ts|mjs|cjs|cc|h|md|ipynb)$/.test(line) ? [{ where, path: line }] : [],
    );
    // A name alone is that of a file in whatever folder the text speaks of.
    const names = new Set(
      ['engine/src', 'engine/native', 'kernel/src', 'extension/src', 'scripts', 'test'].flatMap((folder) =>
        readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((file) => basename(file)),
      ),
    );
    const wrong = paths.filter(
      ({ path }) =>
        !folders.some((folder) => existsSync(join(root, folder, path))) &&
        !names.has(path) &&
        // The pattern of a name.
        !/^[A-Z]+(-[A-Z]+)+\.cc$/.test(path),
    );
    expect(paths.length).toBeGreaterThan(50);
    expect(wrong).toEqual([]);
  });
});
