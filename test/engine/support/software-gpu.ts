import { existsSync, readdirSync } from 'node:fs';

/** Where the Vulkan loader looks for drivers by itself. */
const DRIVER_FOLDERS = ['/usr/share/vulkan/icd.d', '/etc/vulkan/icd.d', '/usr/local/share/vulkan/icd.d'];
/** SwiftShader, the software driver that Debian's chromium brings. */
const SWIFTSHADER = '/usr/lib/chromium/vk_swiftshader_icd.json';

/** Lets Vulkan find Chromium's software driver where the machine has no other; before WebGPU is loaded. */
export function useSoftwareGpu(): void {
  const { env } = process;
  // Empty, it would hide every driver.
  if (env.VK_DRIVER_FILES === '') delete env.VK_DRIVER_FILES;
  if (env.VK_ICD_FILENAMES || env.VK_DRIVER_FILES || !existsSync(SWIFTSHADER)) return;
  const found = DRIVER_FOLDERS.some((folder) => existsSync(folder) && readdirSync(folder).length > 0);
  if (found) return;
  env.VK_ICD_FILENAMES = SWIFTSHADER;
  pausePolling();
}

let polls = 0;

/**
 * While something is waited for, Dawn asks for it by one `setImmediate` after another: a core that computes nothing,
 * where a software driver computes on cores. Every eighth time it waits for a millisecond instead, so that an answer
 * that is there already is as quick as ever.
 */
function pausePolling(): void {
  const now = globalThis.setImmediate;
  const later = (callback: (...args: unknown[]) => void, ...args: unknown[]) => {
    const isOfAddon = /\[native code\]\s*}$/.test(Function.prototype.toString.call(callback));
    polls += isOfAddon ? 1 : 0;
    return isOfAddon && polls % 8 === 0 ? setTimeout(callback, 1, ...args) : now(callback, ...args);
  };
  globalThis.setImmediate = Object.assign(later, now) as unknown as typeof setImmediate;
}
