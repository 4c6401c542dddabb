/**
 * Random tests that run for a given time; the exit code is 1 when one of them fails.
 *
 *   npm run fuzz -- readers [SECONDS] [SEED]   damaged files for the readers of networks and images
 *   npm run fuzz -- engine [MINUTES] [SEED]    random networks, masks and plans against an independent oracle
 *   npm run fuzz -- engine --case FILE         one case that an earlier run kept
 *   npm run fuzz -- predict [MINUTES] [SEED]   predictions of random networks on all devices
 *   npm run fuzz -- boundary [ROUNDS] [SEED]   damaged arguments for the functions of the native addon
 */
const targets = {
  readers: () => import('./fuzz/readers.mjs'),
  engine: () => import('./fuzz/engine.mjs'),
  predict: () => import('./fuzz/predict.mjs'),
  boundary: () => import('./fuzz/boundary.mjs'),
};

const [target, ...rest] = process.argv.slice(2);
if (!Object.hasOwn(targets, target ?? '')) {
  process.stderr.write(
    'usage: npm run fuzz -- readers [SECONDS] [SEED] | engine [MINUTES] [SEED] | engine --case FILE | predict [MINUTES] [SEED] | boundary [ROUNDS] [SEED]\n',
  );
  process.exit(1);
}
const { fuzz } = await targets[target]();
process.exit((await fuzz(rest)) ? 0 : 1);
