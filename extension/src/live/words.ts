import type { Connection } from './client';

/** What to say of a connection that is not ready, and what can be done about it. */
export interface Notice {
  readonly title: string;
  readonly detail: string;
  readonly action?: 'change-kernel' | 'reopen';
}

/** `kernel` is the kernel's display name. */
export function noticeFor(
  connection: Connection,
  kernel: string | undefined,
  busy: boolean,
): Notice | undefined {
  switch (connection) {
    case 'ready':
      return undefined;
    case 'none':
      return {
        title: 'No notebook in front',
        detail: 'Open a notebook with the Fovea kernel, and its network appears here.',
      };
    case 'starting':
      return { title: 'The kernel is starting', detail: 'The controls appear as soon as it is ready.' };
    case 'opening':
    case 'silent':
      return busy
        ? { title: 'The kernel is busy', detail: 'The controls appear when it has a moment.' }
        : connection === 'opening'
          ? { title: 'Connecting', detail: 'Asking the kernel what there is to try.' }
          : {
              title: 'The kernel does not answer',
              detail: 'It runs, but says nothing of live controls. An update or a restart of it may help.',
              action: 'reopen',
            };
    case 'unsupported':
      return {
        title: `${kernel ?? 'This kernel'} has no live controls`,
        detail:
          'They need the Fovea kernel. Masks and latencies that a notebook holds are shown with any kernel.',
        action: 'change-kernel',
      };
    case 'closed':
      return {
        title: 'The kernel ended the conversation',
        detail: 'What was shown last stays below.',
        action: 'reopen',
      };
    case 'dead':
      return {
        title: 'The kernel has died',
        detail: 'Restart it, and the controls take up where they were.',
      };
  }
}
