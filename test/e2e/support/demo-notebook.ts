import { readFileSync } from 'node:fs';
import type { MasksDocument } from '../../../kernel/src/display/mime.js';
import { LATENCY_MIME, MASKS_MIME } from '../../../kernel/src/display/mime.js';

/** Small enough to run in a second, with masks in every block. */
const MASKS_CELL = `import { builtNetwork, predict, randomMasker, run } from '@fovea/engine';
const network = builtNetwork('resnet18', { inputSize: 64, seed: 3 });
const picture = await fovea.sampleImage(fovea.sampleImageNames[0]!, network);
const result = await run(network, picture.tensor, { masker: randomMasker(0.5, 7), granularity: 2 });
fovea.showMasks(result, picture, network, { title: 'Where it computed' });`;

const LATENCY_CELL = `fovea.showLatency([
  predict(network, { device: 'v100', rate: 0.5, granularity: 2 }),
  result.profile,
]);`;

const codeCell = (id: string, source: string) => ({
  id,
  cell_type: 'code',
  metadata: {},
  source,
  outputs: [],
  execution_count: null,
});

/** A notebook that shows masks and latencies, not yet run. */
export function demoNotebook(): string {
  return notebookOf([
    { id: 'title', cell_type: 'markdown', metadata: {}, source: '# Demo\n\n$y = x + m \\cdot f(x)$' },
    codeCell('masks', MASKS_CELL),
    codeCell('latency', LATENCY_CELL),
  ]);
}

/** A notebook of these code cells, not yet run. */
export function codeNotebook(cells: Readonly<Record<string, string>>): string {
  return notebookOf(Object.entries(cells).map(([id, source]) => codeCell(id, source)));
}

function notebookOf(cells: readonly object[]): string {
  return JSON.stringify({
    cells,
    metadata: { kernelspec: { name: 'fovea', display_name: 'Fovea (TypeScript)', language: 'typescript' } },
    nbformat: 4,
    nbformat_minor: 5,
  });
}

/** The documents that a saved run of the demo notebook holds. */
export function savedDocuments(file: string): { masks: MasksDocument; latency: unknown; mimes: string[][] } {
  const notebook = JSON.parse(readFileSync(file, 'utf8')) as {
    cells: { outputs?: { data?: Record<string, unknown> }[] }[];
  };
  const bundles = notebook.cells.flatMap(({ outputs = [] }) =>
    outputs.flatMap(({ data }) => (data ? [data] : [])),
  );
  const find = (mime: string) => bundles.find((bundle) => mime in bundle)?.[mime];
  return {
    masks: find(MASKS_MIME) as MasksDocument,
    latency: find(LATENCY_MIME),
    mimes: bundles.map((bundle) => Object.keys(bundle).sort()),
  };
}
