import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Functions of the native addon, by name; the modules that call them declare their signatures. */
export type Addon = Readonly<Record<string, (...values: never[]) => unknown>>;

/** What the addon must say of itself: `addon_version` in engine/native/module.h. */
const ADDON_VERSION = 7;

/** Loaded once; undefined where the addon was not built or cannot be loaded, with the reason beside it. */
let loaded: { addon?: Addon; reason?: string; stale?: boolean } | undefined;

const folder = fileURLToPath(new URL('../../native/', import.meta.url));

const require = createRequire(import.meta.url);
/** Looks into `build/` and `prebuilds/` of a folder; it has no declarations of its own. */
const nodeGypBuild = require('node-gyp-build') as { path(folder: string): string };

/** The addon that was built on this machine, or else the prebuilt one of this platform. */
function addonFile(): string {
  const build = process.env.FOVEA_NATIVE_BUILD;
  return build === undefined ? nodeGypBuild.path(folder) : join(folder, build, 'Release', 'fovea.node');
}

/**
 * The native addon, if this machine has one.
 * @returns `addon`, or `reason`: one sentence saying why there is none, and `stale` when there is one that was
 *   built from other sources than these
 */
export function loadAddon(): { readonly addon?: Addon; readonly reason?: string; readonly stale?: boolean } {
  if (!loaded) {
    try {
      const addon = require(addonFile()) as Addon & { readonly version?: unknown };
      loaded =
        addon.version === ADDON_VERSION
          ? { addon }
          : {
              stale: true,
              reason: `the native addon was built for another version of the engine (${addon.version ?? 1}, not ${ADDON_VERSION}): run \`npm run build\``,
            };
    } catch (error) {
      loaded = {
        reason: `the native addon is not usable (${(error as Error).message.split('\n')[0]}); with a C++ compiler \`node ${folder}build.mjs\` builds it`,
      };
    }
  }
  return loaded;
}
