/**
 * The public surface of the packages as text, one report for each entry, under api/.
 *
 *   node scripts/api.mjs           writes the reports
 *   node scripts/api.mjs --check   exit code 1 when a report is not of the declarations as built
 *
 * Either way exit code 1 when a public name has no docstring.
 */
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Extractor, ExtractorConfig } from '@microsoft/api-extractor';

const check = process.argv.includes('--check');
const root = fileURLToPath(new URL('..', import.meta.url));

/** Entries that promise nothing: they are for the packages of this repository only. */
const internal = ['./internal', './files', './presentation'];

/** Every public entry of a package: the name of its report and its declarations. */
function entriesOf(folder) {
  const { exports } = JSON.parse(readFileSync(join(root, folder, 'package.json'), 'utf8'));
  return Object.entries(exports)
    .filter(([entry, target]) => target.types !== undefined && !internal.includes(entry))
    .map(([entry, target]) => ({
      report: folder + entry.slice(1).replace('/', '-'),
      declarations: join(root, folder, target.types),
    }));
}

function configOf(folder, { report, declarations }) {
  return ExtractorConfig.prepare({
    configObject: {
      projectFolder: join(root, folder),
      mainEntryPointFilePath: declarations,
      newlineKind: 'lf',
      compiler: { tsconfigFilePath: join(root, folder, 'tsconfig.json') },
      apiReport: {
        enabled: true,
        reportFileName: report,
        reportFolder: join(root, 'api'),
        reportTempFolder: join(tmpdir(), `fovea-api-${process.pid}`),
      },
      docModel: { enabled: false },
      dtsRollup: { enabled: false },
      messages: {
        compilerMessageReporting: { default: { logLevel: 'none' } },
        // A type that one entry uses and another exports is not forgotten; comments are TypeDoc's to check.
        extractorMessageReporting: { default: { logLevel: 'none' } },
        tsdocMessageReporting: { default: { logLevel: 'none' } },
      },
    },
    configObjectFullPath: undefined,
    packageJsonFullPath: join(root, folder, 'package.json'),
  });
}

const changed = [];
for (const folder of ['engine', 'kernel']) {
  for (const entry of entriesOf(folder)) {
    const result = Extractor.invoke(configOf(folder, entry), {
      localBuild: !check,
      messageCallback: (message) => {
        message.handled = message.logLevel !== 'error';
      },
    });
    if (result.apiReportChanged) changed.push(`api/${entry.report}.api.md`);
  }
}
rmSync(join(tmpdir(), `fovea-api-${process.pid}`), { recursive: true, force: true });
const undocumented = readdirSync(join(root, 'api')).flatMap((file) =>
  [...readFileSync(join(root, 'api', file), 'utf8').matchAll(/^\/\/ @public \(undocumented\)\n(.*)/gm)].map(
    ([, declaration]) => `  ${file}: ${declaration}\n`,
  ),
);
if (undocumented.length > 0) {
  process.stderr.write(`Public names without a docstring:\n${undocumented.join('')}`);
  process.exitCode = 1;
}
if (check && changed.length > 0) {
  process.stderr.write(
    `The public surface is not what ${changed.join(', ')} say${changed.length === 1 ? 's' : ''}: \`npm run api\` writes the reports again, for review.\n`,
  );
  process.exitCode = 1;
}
