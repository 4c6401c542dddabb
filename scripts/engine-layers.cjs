/**
 * The layers of the engine, each with the files that belong to it and what they are for. A layer imports from those
 * before it and from nothing behind it: `npm run lint` checks that, scripts/architecture.mjs draws it.
 */
module.exports = [
  [
    'base',
    '^engine/src/((data-folder|did-you-mean|errors|file|home-folder|lock|make-folder|onnxruntime|put-in-place|random|replace-file|reworded|running-process|temporary|tensor|threads|unless-aborted)\\.ts$|(platform|arguments)/)',
    'tensors, errors, files, random numbers',
  ],
  ['image', '^engine/src/image/', 'reading, scaling and normalising images'],
  ['network', '^engine/src/network/', 'networks as plain data; readers of ONNX and checkpoints'],
  ['mask', '^engine/src/mask/', 'masks, their grids, and what decides them'],
  ['program', '^engine/src/program/', 'what a plan means: values, steps, work, buffers, verifier'],
  ['primitives', '^engine/src/primitives/', 'one file each: where it may stand, how it lowers'],
  ['profile', '^engine/src/profile\\.ts$', 'what a run or a prediction reports'],
  ['plan', '^engine/src/plan/', 'strategies, plans, and their lowering to programs'],
  ['backends', '^engine/src/backends/', 'native, onnx, reference and webgpu execution of programs'],
  ['run', '^engine/src/run/', 'options, sessions, benchmarks'],
  ['predict', '^engine/src/predict/', 'devices, cost models, calibration, search'],
  ['train', '^engine/src/train/', 'training and fitting maskers, measuring accuracy'],
].map(([name, path, purpose]) => ({ name, path, purpose }));
