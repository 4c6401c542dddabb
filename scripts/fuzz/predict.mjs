import { deviceNames, getDevice } from '../../engine/lib/index.js';
import { calibratedDevice } from './calibrated-device.mjs';
import { loadDifferential } from './load.mjs';

/** Different faults that are shown before it ends. */
const mostFaults = 20;

/**
 * Predicts random networks on all devices: every figure a number of at least 0, the FLOPs those of a run, searches never
 * worse than what they tried.
 *
 * @param args `[MINUTES] [SEED]`
 * @returns whether all went well
 */
export async function fuzz(args) {
  const [minutes, seed] = [Number(args[0] ?? 10), Number(args[1] ?? Date.now() % 1_000_000)];
  if (!(minutes > 0) || !Number.isSafeInteger(seed)) {
    process.stderr.write('usage: npm run fuzz -- predict [MINUTES] [SEED]\n');
    return false;
  }
  const { checkPredictions, generate, summary } = await loadDifferential(
    'check-predictions',
    'generate',
    'case',
  );
  const devices = [calibratedDevice(), ...deviceNames().map(getDevice)];
  const end = performance.now() + minutes * 60_000;
  let [networks, faults] = [0, 0];
  for (let round = 0; performance.now() < end && faults < mostFaults; round++) {
    const number = seed * 100_000 + round;
    const test = generate(number, { multiplyAdds: 3e8, sides: [20, 300], runs: 0 });
    const problem = await checkPredictions(test, devices).catch((error) => error.stack);
    networks++;
    if (problem === undefined) continue;
    faults++;
    process.stdout.write(`case ${number}: ${summary(test)}\n${problem}\n`);
  }
  process.stdout.write(`seed ${seed}: ${networks} networks on ${devices.length} devices, ${faults} faults\n`);
  return faults === 0;
}
