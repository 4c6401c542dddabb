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
  if (!found) env.VK_ICD_FILENAMES = SWIFTSHADER;
}
