import { IConnectionLost, type JupyterFrontEnd, type JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Dialog, Notification } from '@jupyterlab/apputils';
import { PathExt, URLExt } from '@jupyterlab/coreutils';
import { ServerConnection, type Session } from '@jupyterlab/services';

/** Time between two looks whether the server is there again. */
const LOOK_AGAIN_MS = 1000;

/**
 * Says that the server cannot be reached for as long as that is so, and which documents have lost their variables when
 * it was started again. JupyterLab's own dialog stays until it is closed, and nothing says that variables are gone.
 */
export const lostServerPlugin: JupyterFrontEndPlugin<IConnectionLost> = {
  id: '@fovea/app:lost-server',
  description: 'Says when the server cannot be reached, and what was lost when it was started again.',
  autoStart: true,
  provides: IConnectionLost,
  activate: ({ serviceManager: { sessions, serverSettings } }: JupyterFrontEnd) => {
    reportRestarts(sessions, serverSettings);
    let isLost = false;
    return async () => {
      if (isLost) return;
      isLost = true;
      const dialog = lostDialog();
      // It may be closed: the page goes on looking.
      dialog.launch().catch(() => undefined);
      await onceThere(() => startOf(serverSettings));
      isLost = false;
      dialog.dispose();
      // JupyterLab's own look may be a minute away; until then a cell is sent to a kernel that is gone.
      await sessions.refreshRunning();
    };
  },
};

function lostDialog(): Dialog<unknown> {
  return new Dialog({
    title: 'The Lab Cannot Be Reached',
    body:
      'It was stopped, or the network is down. This page goes on by itself when the lab is there again. ' +
      'If it was started with another token, open its new address in another tab.',
    buttons: [Dialog.cancelButton({ label: 'Close' })],
  });
}

/** Says so when sessions are gone because the server was started again, and not because somebody ended them. */
function reportRestarts(sessions: Session.IManager, settings: ServerConnection.ISettings): void {
  let started = startOf(settings).catch(() => undefined);
  let before = [...sessions.running()];
  sessions.runningChanged.connect((_, now) => {
    const ended = before.filter(({ id }) => now.every((session) => session.id !== id));
    before = [...now];
    if (ended.length === 0) return;
    const earlier = started;
    started = startOf(settings).catch(() => earlier);
    void Promise.all([earlier, started]).then(([was, is]) => {
      if (was !== is) Notification.warning(endedText(ended), { autoClose: false });
    });
  });
}

/** What has ended with the server; JupyterLab shows 140 letters. */
function endedText(ended: readonly Session.IModel[]): string {
  const first = PathExt.basename(ended[0]!.path);
  const documents = ended.length > 1 ? `${first} and ${ended.length - 1} more` : first;
  return `The lab was started again: variables of ${documents} are gone. Run what you need again.`;
}

/** When the server was started, as it says. */
async function startOf(settings: ServerConnection.ISettings): Promise<string> {
  const address = URLExt.join(settings.baseUrl, 'api/status');
  const response = await ServerConnection.makeRequest(address, {}, settings);
  if (!response.ok) throw new ServerConnection.ResponseError(response);
  const { started } = (await response.json()) as { started: string };
  return started;
}

/** The server's answer, asked for until there is one. */
async function onceThere<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
  for (;;) {
    try {
      return await ask();
    } catch {
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
    }
  }
}
