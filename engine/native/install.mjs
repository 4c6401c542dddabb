/**
 * The package's install script: compiles the native addon where no prebuilt one can be loaded. It fetches nothing and
 * never fails an installation: without the addon networks run in onnxruntime.
 */
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));

/** Whether an addon loads in a process of its own: one that cannot run here may end the process. */
function loads() {
  const nodeGypBuild = createRequire(import.meta.url).resolve('node-gyp-build');
  const code = `require(${JSON.stringify(nodeGypBuild)})(${JSON.stringify(here)})`;
  return spawnSync(process.execPath, ['-e', code], { stdio: 'ignore' }).status === 0;
}

if (!loads()) {
  const { status } = spawnSync(
    process.execPath,
    [fileURLToPath(new URL('build.mjs', import.meta.url)), '--optional'],
    {
      stdio: 'inherit',
    },
  );
  process.exitCode = status ?? 0;
}
