/** What cells find in their global scope under the names that `@fovea/kernel` exports it by, beside `fovea`. */
export const globalNames = [
  'display',
  'clearOutput',
  'html',
  'markdown',
  'latex',
  'json',
  'png',
  'svg',
  'image',
  'comms',
] as const;
