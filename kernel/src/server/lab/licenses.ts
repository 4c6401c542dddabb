import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { csvText } from '../../presentation/index.js';
import { HttpError } from '../http/errors.js';
import { json, type Reply } from '../http/reply.js';
import type { Router } from '../http/router.js';
import type { Labextension } from './labextensions.js';

const REPORT = join('static', 'third-party-licenses.json');

/** One package in a bundle, as the bundler's report has it. */
interface Package {
  readonly name: string;
  readonly versionInfo?: string;
  readonly licenseId?: string;
  readonly extractedText?: string;
}

/** The packages in each bundle, by the name of the bundle. */
type Bundles = Readonly<Record<string, { readonly packages: readonly Package[] }>>;

const COLUMNS = ['bundle', 'name', 'versionInfo', 'licenseId', 'extractedText'] as const;

function toCsv(bundles: Bundles): string {
  const rows = Object.entries(bundles).flatMap(([bundle, { packages }]) =>
    packages.map((one) => COLUMNS.map((column) => (column === 'bundle' ? bundle : (one[column] ?? '')))),
  );
  return csvText([COLUMNS, ...rows]);
}

function toMarkdown(bundles: Bundles): string {
  const cell = (text = '') => text.replace(/[\\|]/g, '\\$&').replace(/\s+/g, ' ');
  /** A fence longer than any in the text. */
  const fenced = (text: string) => {
    const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([ticks]) => ticks.length));
    const fence = '`'.repeat(longest + 1);
    return `${fence}\n${text.trim()}\n${fence}\n`;
  };
  return Object.entries(bundles)
    .map(([bundle, { packages }]) => {
      const rows = packages.map(
        ({ name, versionInfo, licenseId }) =>
          `| ${cell(name)} | ${cell(versionInfo)} | ${cell(licenseId)} |\n`,
      );
      const texts = packages
        .filter(({ extractedText }) => extractedText)
        .map(({ name, versionInfo = '', extractedText }) =>
          [`## ${name} ${versionInfo}`.trimEnd(), fenced(extractedText!)].join('\n\n'),
        );
      const table = `| Package | Version | Licence |\n| --- | --- | --- |\n${rows.join('')}`;
      return [`# ${bundle}`, table, ...texts].join('\n\n');
    })
    .join('\n\n');
}

/** The formats of the report, by the names that JupyterLab uses. */
const FORMATS: Readonly<Record<string, { type: string; extension: string; write(all: Bundles): string }>> = {
  csv: { type: 'text/csv; charset=utf-8', extension: 'csv', write: toCsv },
  markdown: { type: 'text/markdown; charset=utf-8', extension: 'md', write: toMarkdown },
  json: {
    type: 'application/json',
    extension: 'json',
    write: (bundles) => JSON.stringify({ bundles }, null, 2),
  },
};

/** The licences of everything that was bundled: the application's, and each labextension's. */
export function registerLicenses(
  router: Router,
  app: string,
  labextensions: () => readonly Labextension[],
): void {
  const report = async (folder: string): Promise<unknown> => {
    try {
      return JSON.parse(await readFile(join(folder, REPORT), 'utf8'));
    } catch {
      return { packages: [] };
    }
  };
  router.on('GET', '/lab/api/licenses', async ({ query }): Promise<Reply> => {
    const sources = [
      ['Fovea', app] as const,
      ...labextensions().map(({ name, folder }) => [name, folder] as const),
    ];
    const found = await Promise.all(sources.map(async ([name, folder]) => [name, await report(folder)]));
    const bundles = Object.fromEntries(found) as Bundles;
    const format = query.get('format')?.toLowerCase() ?? 'json';
    if (!Object.hasOwn(FORMATS, format)) {
      throw new HttpError(400, `Unknown format ${format}: ${Object.keys(FORMATS).join(', ')} are accepted`);
    }
    const { type, extension, write } = FORMATS[format]!;
    const name = `fovea-licenses.${extension}`;
    const isDownload = query.get('download') === '1';
    return {
      ...json(null, 200, {
        'Content-Type': type,
        ...(isDownload ? { 'Content-Disposition': `attachment; filename="${name}"` } : {}),
      }),
      body: write(bundles),
    };
  });
}
