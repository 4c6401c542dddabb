/**
 * npm run example:web [FOLDER]: bundles examples/web with the engine and the shipped network into static files, in
 * examples/web/dist or FOLDER, for any web server.
 */
import { copyFileSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { rspack } from '@rspack/core';
import { root } from './steps.mjs';

const example = join(root, 'examples/web');
const folder = resolve(process.argv[2] ?? join(example, 'dist'));

const stats = await new Promise((done, fail) => {
  rspack(
    {
      context: example,
      mode: 'production',
      target: ['web', 'es2022'],
      entry: { page: './page.ts' },
      output: { path: folder, filename: '[name].js', chunkFilename: '[name].js', module: true, clean: true },
      experiments: { outputModule: true },
      resolve: { extensions: ['.ts', '.js'] },
      module: {
        rules: [
          {
            test: /\.ts$/,
            loader: 'builtin:swc-loader',
            options: { jsc: { parser: { syntax: 'typescript' }, target: 'es2022' } },
          },
        ],
      },
    },
    (error, result) => (error ? fail(error) : done(result)),
  );
});
if (stats.hasErrors()) {
  process.stderr.write(`${stats.toString({ preset: 'errors-only' })}\n`);
  process.exit(1);
}
mkdirSync(folder, { recursive: true });
copyFileSync(join(example, 'index.html'), join(folder, 'index.html'));
for (const name of ['quick-look.safetensors', 'quick-look.json'])
  copyFileSync(join(root, 'engine/models', name), join(folder, name));
process.stdout.write(`${folder}: open index.html there through any web server\n`);
