import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { atOnce, oneAtATime } from '../../scripts/vitest-run.mjs';
import config from '../../vitest.config.js';
import { root } from './tarballs.js';

const testsOf = (folder: string) =>
  readdirSync(join(root, 'test', folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.test.ts'))
    .map((file) => join(root, 'test', folder, file));

/** The sources of a test and of the helpers it imports, down to and without the sources of the packages. */
function sourcesOf(file: string, seen = new Map<string, string>()): Map<string, string> {
  if (seen.has(file) || !existsSync(file) || !file.startsWith(join(root, 'test/'))) return seen;
  const text = readFileSync(file, 'utf8');
  seen.set(file, text);
  for (const [, name] of text.matchAll(/ from '(\.[^']+)'/g)) {
    sourcesOf(resolve(dirname(file), `${name!.replace(/\.js$/, '')}.ts`), seen);
  }
  return seen;
}

/** What starts a process or a browser: Node, Playwright, the lab server with its kernels, the language server. */
const STARTERS = /'node:child_process'|'playwright-core'|server\/server\.js'|language\/service\.js'/;

/** Folders of tests without a folder of sources: helpers, and what checks a package as a whole. */
const WITHOUT_SOURCES: Readonly<Record<string, readonly string[]>> = {
  engine: ['differential'],
  kernel: ['conformance', 'server/hostile'],
  extension: ['packaging'],
};

describe('a second try', () => {
  it('is given to all tests of those projects only that drive browsers and kernels', () => {
    const projects = config.test!.projects as { test: { name: string; retry: number } }[];
    const retrying = projects.filter(({ test }) => test.retry > 0).map(({ test }) => test.name);
    expect(retrying).toEqual(['notebooks', 'e2e']);
  });

  it.each(['engine', 'kernel', 'extension', 'packages'])(
    'is given in %s only to tests that start processes',
    (project) => {
      const pure = testsOf(project).filter((file) => {
        const text = readFileSync(file, 'utf8');
        const isRetried = text.startsWith('// @module-tag process\n') || /\bretry:/.test(text);
        return isRetried && ![...sourcesOf(file).values()].some((source) => STARTERS.test(source));
      });
      expect(pure).toEqual([]);
    },
  );
});

describe('npm test', () => {
  it('runs every project, beside the others those whose files run one at a time', () => {
    const projects = config.test!.projects as { test: { name: string; fileParallelism?: boolean } }[];
    const [apart, others] = [false, undefined].map((parallel) =>
      projects.filter(({ test }) => test.fileParallelism === parallel).map(({ test }) => test.name),
    );
    expect([...oneAtATime].sort()).toEqual(apart!.sort());
    expect([...atOnce].sort()).toEqual(others!.sort());
  });
});

describe('temporary folders', () => {
  it('are removed by the file that makes them, with `temporaryFolder` or by itself', () => {
    const files = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' });
    const left = files.filter((file) => {
      if (!file.endsWith('.ts') || file.startsWith('output/')) return false;
      const text = readFileSync(join(root, 'test', file), 'utf8');
      return /\bmkdtemp(Sync)?\(/.test(text) && !/\brm(Sync)?\(/.test(text);
    });
    expect(left).toEqual([]);
  });
});

describe('folders of tests', () => {
  it.each(Object.entries(WITHOUT_SOURCES))('mirror those of %s', (name, others) => {
    const folders = new Set(
      testsOf(name).map((file) => dirname(file).slice(join(root, 'test', name).length + 1)),
    );
    const misplaced = [...folders].filter(
      (folder) => !others.includes(folder) && !existsSync(join(root, name, 'src', folder)),
    );
    expect(misplaced).toEqual([]);
  });
});

describe('the extension, which runs in a browser', () => {
  // dependency-cruiser does not follow imports by a package's name.
  it('takes types of the other packages alone, but for the presentation and, in its worker, the engine', () => {
    const folder = join(root, 'extension/src');
    const taken = readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .flatMap((file) =>
        [
          ...readFileSync(join(folder, file), 'utf8').matchAll(
            /^(?:import|export)\b([^;]*?)'(@fovea\/(?:kernel|engine)[^']*)'/gm,
          ),
        ]
          .filter(([, what]) => !what!.trimStart().startsWith('type '))
          .map(([, , name]) => (name === '@fovea/kernel/presentation' ? name : `${file}: ${name}`)),
      );
    expect([...new Set(taken)].sort()).toEqual([
      '@fovea/kernel/presentation',
      'live/gpu/worker.ts: @fovea/engine/web',
    ]);
  });
});

describe('percentages', () => {
  it('are written by one function, which others call', () => {
    const sources = ['engine', 'kernel', 'extension'].flatMap((name) =>
      readdirSync(join(root, name, 'src'), { recursive: true, encoding: 'utf8' })
        .filter((file) => file.endsWith('.ts') && !file.startsWith('presentation/'))
        .map((file) => join(name, 'src', file)),
    );
    // In templates `${…}%` and `${…} %`, but for lengths in style sheets and remainders; for plotly `.0%`.
    const own = sources.flatMap((file) =>
      readFileSync(join(root, file), 'utf8')
        .split('\n')
        .filter(
          (line) =>
            /\} ?%(?! ?\$\{|[a-z{])|\.\d~?%/.test(line) &&
            !/\b(?:left|top|width|height|x|x1|x2)(?: =|:)|setProperty/.test(line),
        )
        .map((line) => `${file}: ${line.trim()}`),
    );
    expect(own).toEqual([]);
  });
});

describe('the scripts', () => {
  const scripts = readdirSync(join(root, 'scripts'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.mjs'))
    .map((file) => join(root, 'scripts', file));

  /** What a script imports by a relative path, as a source: of built files, what they are built from. */
  function importsOf(script: string): { file: string; names: string[] }[] {
    const text = readFileSync(script, 'utf8');
    const found = text.matchAll(
      /^(?:import|const) (?:\{([^}]*)\} (?:from|= await import\() ?)?'(\.[^']+)'/gm,
    );
    return [...found].map(([, names = '', path]) => {
      const file = resolve(dirname(script), path!).replace(/\/lib\/(.*)\.js$/, '/src/$1.ts');
      const each = names.split(',').map((name) => name.trim().split(' as ')[0]!);
      return { file, names: each.filter((name) => name !== '') };
    });
  }

  it('import from the sources only what those export', () => {
    const missing = scripts.flatMap((script) =>
      importsOf(script).flatMap(({ file, names }) => {
        const text = existsSync(file) ? readFileSync(file, 'utf8') : undefined;
        if (text === undefined) return [`${script}: there is no ${file}`];
        const isExported = (name: string) =>
          new RegExp(
            `^export (?:async )?(?:function\\*?|const|let|class) ${name}\\b|^export \\{[^}]*\\b${name}\\b[^}]*\\}`,
            'm',
          ).test(text);
        return names
          .filter((name) => !isExported(name))
          .map((name) => `${script}: ${file} exports no ${name}`);
      }),
    );
    expect(scripts.length).toBeGreaterThan(10);
    expect(missing).toEqual([]);
  });
});

/** Files that compare a time with one that was stamped, on a disk or elsewhere. */
const STAMPS: readonly string[] = [
  'engine/src/lock.ts',
  'engine/src/temporary.ts',
  'kernel/src/sweep/storage/stored.ts',
  'kernel/src/sweep/storage/use.ts',
];

it('times are taken with a clock that no one sets, but where they are compared with stamps', () => {
  const files = ['engine', 'kernel', 'extension'].flatMap((name) =>
    readdirSync(join(root, name, 'src'), { recursive: true, encoding: 'utf8' }).map(
      (file) => `${name}/src/${file}`,
    ),
  );
  const using = files.filter(
    (file) => file.endsWith('.ts') && readFileSync(join(root, file), 'utf8').includes('Date.now()'),
  );
  expect(using.sort()).toEqual(STAMPS);
});
