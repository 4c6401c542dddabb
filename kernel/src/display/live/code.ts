import { sampleImageNames } from '../images.js';
import { type NetworkOrigin, thisMachineName } from './library.js';
import type { LiveState } from './protocol.js';

/**
 * The cell that does what the panel does: the same network, image, masks and prediction.
 * @param isCalibrated whether this machine can be predicted for
 */
export function liveCode(state: LiveState, origin: NetworkOrigin['kind'], isCalibrated: boolean): string {
  const quoted = (text: string) =>
    `'${text.replace(/\\/g, '\\\\').replace(/'/g, "\\'").replace(/\n/g, '\\n')}'`;
  const network = origin === 'own' ? state.network : 'network';
  const getNetwork = {
    shipped: `const network = await loadShippedModel(${quoted(state.network)});`,
    built: `const network = builtNetwork(${quoted(state.network)});`,
    own: undefined,
  }[origin];
  const imports = new Set(['predict', 'resolveMaskers', 'run']);
  if (origin === 'shipped') imports.add('loadShippedModel');
  if (origin === 'built') imports.add('builtNetwork');
  if (state.masker === 'painted') imports.add('regionMasker');
  const getImage = sampleImageNames.includes(state.image) ? 'sampleImage' : 'readImage';
  const region = state.region;
  const lines = [
    `import { ${[...imports].sort().join(', ')} } from '@fovea/engine';`,
    '',
    ...(getNetwork === undefined ? [] : [getNetwork]),
    `const image = await fovea.${getImage}(${quoted(state.image)}, ${network});`,
  ];
  if (state.masker === 'painted' && region !== undefined) {
    const rows = Array.from({ length: region.rows }, (_, row) =>
      region.cells.slice(row * region.columns, (row + 1) * region.columns),
    );
    lines.push(
      'const painted = [',
      ...rows.map((row) => `  '${row}',`),
      '];',
      'const masker = regionMasker({',
      '  rows: painted.length,',
      '  columns: painted[0]!.length,',
      "  cells: Uint8Array.from(painted.join(''), Number),",
      '});',
    );
  }
  const options = [
    `strategy: ${quoted(state.strategy)}`,
    `granularity: [${state.granularity.join(', ')}]`,
    `threads: ${state.threads}`,
  ];
  const rate = state.masker === 'saliency' || state.masker === 'random' ? `, rate: ${state.rate}` : '';
  const masker = state.masker === 'painted' ? 'masker' : `masker: ${quoted(state.masker)}${rate}`;
  const device = state.device === thisMachineName && !isCalibrated ? 'cpu-avx2' : state.device;
  lines.push(
    `const maskers = resolveMaskers(${network}, { ${masker} });`,
    `const options = { ${options.join(', ')} };`,
    `const result = await run(${network}, image.tensor, { ...options, masker: maskers });`,
    `const predicted = predict(${network}, {`,
    '  ...options,',
    '  maskers,',
    '  masks: result.masks,',
    `  device: ${quoted(device)},`,
    '});',
    '',
    `fovea.showMasks(result, image, ${network});`,
    'fovea.showLatency([predicted, result.profile]);',
  );
  return `${lines.join('\n')}\n`;
}
