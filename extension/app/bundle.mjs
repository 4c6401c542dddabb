import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { container } from '@rspack/core';
import { merge } from 'webpack-merge';

const require = createRequire(import.meta.url);
const { Build, WPPlugin } = require('@jupyter/builder');
const base = require('@jupyter/builder/lib/webpack.config.base');
const core = require('@jupyterlab/core-meta/core.package.json');

const here = fileURLToPath(new URL('.', import.meta.url));
const own = JSON.parse(readFileSync(join(here, 'package.json'), 'utf8'));

/** Bundled extensions: those of JupyterLab's own distribution that this package depends on. */
const bundled = (listed) => Object.entries(listed).filter(([name]) => name in own.devDependencies);
const extensions = bundled(core.jupyterlab.extensions);
const mimeExtensions = bundled(core.jupyterlab.mimeExtensions);

/** A module that imports each extension and exports the pairs of name and module. */
function pluginModule() {
  const lines = [];
  const list = (entries, prefix) => {
    entries.forEach(([name, path], index) => {
      lines.push(`import * as ${prefix}${index} from '${path ? `${name}/${path}` : name}';`);
    });
    return `[${entries.map(([name], index) => `['${name}', ${prefix}${index}]`).join(', ')}]`;
  };
  const plugins = list(extensions, 'extension');
  const mimePlugins = list(mimeExtensions, 'mime');
  lines.push(`export const jupyterlabVersion = '${own.devDependencies['@jupyterlab/application']}';`);
  lines.push(`export const extensions = ${plugins};`, `export const mimeExtensions = ${mimePlugins};`);
  return `${lines.join('\n')}\n`;
}

/** Packages offered to labextensions: what JupyterLab itself shares, as far as it is installed. */
function sharedPackages() {
  const unshared = new Set(['@jupyterlab/core-meta', '@jupyterlab/metapackage', '@jupyterlab/nbconvert-css']);
  const roots = require.resolve.paths('@jupyterlab/application');
  const installed = (name) => roots.some((path) => existsSync(join(path, name, 'package.json')));
  const shared = {};
  for (const [name, requiredVersion] of Object.entries(core.resolutions)) {
    if (installed(name) && !unshared.has(name)) shared[name] = { requiredVersion };
  }
  for (const name of core.jupyterlab.singletonPackages) if (shared[name]) shared[name].singleton = true;
  return shared;
}

/** Writes down which scripts the page loads. */
const entryList = (file) => ({
  apply(compiler) {
    compiler.hooks.done.tap('fovea-entry-list', (stats) => {
      const files = stats.compilation.entrypoints.get('main').getFiles();
      writeFileSync(file, JSON.stringify([...files]));
    });
  },
});

/**
 * The rspack configurations of the lab and of its themes. As a side effect writes the generated modules and the
 * settings schemas into `output`.
 */
export function bundle(output) {
  const generated = join(output, 'generated');
  mkdirSync(generated, { recursive: true });
  writeFileSync(join(generated, 'plugins.js'), pluginModule());
  const names = [...new Set([...extensions, ...mimeExtensions].map(([name]) => name))];
  const themes = Build.ensureAssets({ packageNames: names, output });
  const lab = merge(base, {
    name: 'lab',
    context: here,
    mode: 'production',
    devtool: false,
    entry: { main: './lib/bootstrap.js' },
    output: {
      path: join(output, 'static'),
      filename: '[name].[contenthash].js',
      chunkFilename: '[name].[contenthash].js',
      publicPath: 'auto',
      clean: true,
    },
    optimization: {
      splitChunks: {
        chunks: 'all',
        cacheGroups: {
          // react-toastify, with clsx, draws notifications. Loaded late, the first without a server fails, and all after it.
          core: {
            test: /[\\/]node_modules[\\/](@jupyterlab|@lumino(?!\/datagrid)|react-toastify|clsx)[\\/]/,
            name: 'core',
          },
        },
      },
    },
    externals: ['ws'],
    resolve: {
      alias: {
        'fovea-app-plugins': join(generated, 'plugins.js'),
        'fovea-app-style': join(output, 'style.js'),
      },
    },
    plugins: [
      new container.ModuleFederationPluginV1({
        name: 'CORE_FEDERATION',
        library: { type: 'var', name: ['_JUPYTERLAB', 'CORE_LIBRARY_FEDERATION'] },
        shared: sharedPackages(),
      }),
      entryList(join(output, 'entry.json')),
      new WPPlugin.JSONLicenseWebpackPlugin({ excludedPackageTest: (name) => name === own.name }),
    ],
  });
  return [lab, ...themes];
}
