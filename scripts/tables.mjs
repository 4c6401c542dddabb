// Writes docs/latency.md: predicted tables recomputed, measured ones from docs/latency-measured.json.
// `npm run tables -- --measure` first measures this machine again (run `fovea calibrate` before; some minutes).
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { foveaPart } from './tables/fovea.mjs';
import { measure, measuredPart } from './tables/measured.mjs';
import { publishedPart } from './tables/published.mjs';

const measuredFile = new URL('../docs/latency-measured.json', import.meta.url);
const documentFile = new URL('../docs/latency.md', import.meta.url);

async function measureAndKeep() {
  const measured = await measure();
  writeFileSync(measuredFile, `${JSON.stringify(measured)}\n`);
  return measured;
}

function storedMeasurement() {
  try {
    return JSON.parse(readFileSync(measuredFile, 'utf8'));
  } catch {
    return undefined;
  }
}

const measured = process.argv.includes('--measure') ? await measureAndKeep() : storedMeasurement();
writeFileSync(
  documentFile,
  `${[
    '# Latency, predicted and measured',
    'Written by `npm run tables`; the measured part is renewed by `npm run tables -- --measure` on a calibrated machine.',
    publishedPart(),
    foveaPart(),
    ...(measured ? [measuredPart(measured)] : []),
  ].join('\n\n')}\n`,
);
// As `npm run lint` wants it; the same tables then leave the file as it is.
const biome = fileURLToPath(new URL('../node_modules/@biomejs/biome/bin/biome', import.meta.url));
const { status } = spawnSync(
  process.execPath,
  [biome, 'format', '--write', ...[documentFile, measuredFile].map(fileURLToPath)],
  {
    stdio: ['ignore', 'ignore', 'inherit'],
  },
);
process.exitCode = status ?? 1;
