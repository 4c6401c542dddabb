import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { serverWithApi } from './support/api.js';

const lab = serverWithApi();
const ask = (query = '') => lab.ask('GET', `/lab/api/licenses/${query}`);

/** The report in Help > Licenses, and the files that its buttons save. */
describe('the licences of what was bundled', () => {
  const packages = [
    { name: 'left-pad', versionInfo: '1.0.0', licenseId: 'MIT', extractedText: 'Do "what"\n```\nyou | like' },
    { name: 'right-pad' },
  ];

  beforeAll(() => {
    const report = join(lab.server.stateFolder, '../assets/app/static/third-party-licenses.json');
    writeFileSync(report, JSON.stringify({ packages }));
  });

  it('are listed by bundle', async () => {
    const { body } = await ask();
    expect(body.bundles).toEqual({ Fovea: { packages }, '@test/ext': { packages: [] } });
  });

  it('are saved as JSON', async () => {
    const { body, headers } = await ask('?format=json&download=1');
    expect(body.bundles.Fovea.packages).toEqual(packages);
    expect(headers.get('content-disposition')).toBe('attachment; filename="fovea-licenses.json"');
  });

  it('are saved as CSV', async () => {
    const { body, headers } = await ask('?format=csv&download=1');
    expect(headers.get('content-type')).toBe('text/csv; charset=utf-8');
    expect(headers.get('content-disposition')).toBe('attachment; filename="fovea-licenses.csv"');
    expect(body).toBe(
      'bundle,name,versionInfo,licenseId,extractedText\r\n' +
        'Fovea,left-pad,1.0.0,MIT,"Do ""what""\n```\nyou | like"\r\n' +
        'Fovea,right-pad,,,\r\n',
    );
  });

  it('are saved as Markdown, with the texts set off', async () => {
    const { body, headers } = await ask('?format=markdown&download=1');
    expect(headers.get('content-type')).toBe('text/markdown; charset=utf-8');
    expect(headers.get('content-disposition')).toBe('attachment; filename="fovea-licenses.md"');
    expect(body).toContain('# Fovea\n\n| Package | Version | Licence |\n| --- | --- | --- |\n');
    expect(body).toContain('| left-pad | 1.0.0 | MIT |\n| right-pad |  |  |\n');
    expect(body).toContain('## left-pad 1.0.0\n\n````\nDo "what"\n```\nyou | like\n````\n');
  });

  it('in another format are refused', async () => {
    const { status, body } = await ask('?format=pdf');
    expect([status, body.message]).toEqual([400, 'Unknown format pdf: csv, markdown, json are accepted']);
  });
});
