const engineLayers = require('./scripts/engine-layers.cjs');

const upward = engineLayers.slice(0, -1).map(({ name, path }, i) => ({
  name: `${name}-stays-below`,
  comment: `${name} imports from a layer above it: ${engineLayers
    .slice(i + 1)
    .map(({ name: above }) => above)
    .join(', ')}`,
  severity: 'error',
  from: { path },
  to: { path: engineLayers.slice(i + 1).map(({ path: above }) => above) },
}));

/** Every source file of the engine belongs to a layer, so that a new folder cannot go unchecked. */
const unlayered = {
  name: 'engine-file-has-a-layer',
  comment: 'a file of the engine that no layer of .dependency-cruiser.cjs names',
  severity: 'error',
  from: {
    path: '^engine/src/',
    pathNot: ['^engine/src/(index|entries/[a-z]+)\\.ts$', ...engineLayers.map(({ path: layer }) => layer)],
  },
  to: {},
};

module.exports = {
  forbidden: [
    {
      name: 'no-circles',
      comment: 'files that import each other are one thing, or a third one is missing',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    ...upward,
    unlayered,
    {
      name: 'engine-stands-alone',
      severity: 'error',
      from: { path: '^engine/' },
      to: { path: '^(kernel|extension)/' },
    },
    {
      name: 'kernel-below-extension',
      severity: 'error',
      from: { path: '^kernel/' },
      to: { path: '^extension/' },
    },
    {
      name: 'extension-takes-types-of-the-kernel',
      comment:
        'the extension runs in a browser: of the kernel it may only import types, and its presentation',
      severity: 'error',
      from: { path: '^extension/', pathNot: '^extension/src/live/gpu/worker\\.ts$' },
      to: {
        path: '^(kernel|engine)/',
        pathNot: '^kernel/(src|lib)/presentation/',
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'presentation-runs-anywhere',
      comment: 'the extension bundles it: it may import nothing but the types of documents',
      severity: 'error',
      from: { path: '^kernel/src/presentation/' },
      to: { pathNot: '^kernel/src/(presentation/|display/mime\\.ts$)' },
    },
    {
      name: 'engine-in-the-worker-only',
      comment:
        'of the engine, what runs in a browser, and only in the worker that is loaded when it is wanted',
      severity: 'error',
      from: { path: '^extension/src/live/gpu/worker\\.ts$' },
      to: { path: '^(kernel|engine)/', pathNot: '^engine/(src|lib)/entries/web\\.' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules|/lib/' },
    exclude: { path: '/generated/' },
    tsPreCompilationDeps: true,
    parser: 'swc',
    enhancedResolveOptions: { extensions: ['.ts', '.tsx', '.js', '.mjs'] },
  },
};
