import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { TestKernel } from '../kernel/client.js';
import { useDataFolder } from '../support/data-folder.js';
import { root } from './tarballs.js';

const guides = [
  'README.md',
  ...readdirSync(join(root, 'docs'))
    .filter((file) => file.endsWith('.md'))
    .map((file) => `docs/${file}`),
]
  .map((file) => ({
    file,
    cells: [...readFileSync(join(root, file), 'utf8').matchAll(/^```ts cell\n(.*?)^```$/gms)].map(
      ([, code]) => code!,
    ),
  }))
  .filter(({ cells }) => cells.length > 0);

describe('cells in guides', () => {
  useDataFolder();

  it('are found', () => {
    expect(guides.map(({ file }) => file)).toContain('README.md');
  });

  it.each(guides)('$file: each cell runs and shows something', { timeout: 300_000 }, async ({ cells }) => {
    const kernel = await TestKernel.start();
    try {
      for (const cell of cells) {
        const { error, displays, stderr } = await kernel.execute(cell);
        expect(error).toBeUndefined();
        expect(stderr).not.toContain('TypeScript error');
        expect(displays.length).toBeGreaterThan(0);
      }
    } finally {
      await kernel.stop();
    }
  });
});
