/** Ids of the commands; others may run them, and bind keys to them. */
export const COMMANDS = {
  openPanel: 'fovea:open-panel',
  insertCell: 'fovea:insert-cell',
  run: 'fovea:run',
  openExample: 'fovea:open-example',
} as const;

export const CATEGORY = 'Fovea';
