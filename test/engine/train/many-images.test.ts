import type * as Files from 'node:fs/promises';
import { expect, it, vi } from 'vitest';
import { listClasses, listImagesBelow } from '../../../engine/src/train/data/image-files.js';

const count = 200_000;

vi.mock('node:fs/promises', async (original) => {
  const entry = (name: string, isFolder: boolean) => ({
    name,
    isDirectory: () => isFolder,
    isSymbolicLink: () => false,
  });
  return {
    ...(await original<typeof Files>()),
    realpath: async (path: string) => path,
    readdir: async (path: string) =>
      path.endsWith('only')
        ? Array.from({ length: count }, (_, i) => entry(`${i}.png`, false))
        : [entry('only', true)],
  };
});

it('a folder may hold more images than a function takes arguments', async () => {
  expect((await listClasses('/photos')).files).toHaveLength(count);
  expect((await listImagesBelow('/photos')).images).toHaveLength(count);
});
