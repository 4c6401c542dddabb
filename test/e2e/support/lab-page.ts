import type { Page } from 'playwright-core';

/** The commands that tests give, through JupyterLab's own command registry. */
export async function execute(
  page: Page,
  command: string,
  args: Record<string, unknown> = {},
): Promise<void> {
  await page.evaluate(
    async ([id, options]) => {
      const app = (window as unknown as { jupyterapp: JupyterApp }).jupyterapp;
      await app.commands.execute(id, options);
    },
    [command, args] as const,
  );
}

interface JupyterApp {
  readonly commands: { execute(id: string, args: unknown): Promise<unknown> };
  readonly shell: {
    readonly currentWidget: {
      readonly sessionContext?: { readonly session?: { readonly kernel?: { readonly status: string } } };
      readonly context?: { readonly model: { readonly dirty: boolean } };
    } | null;
  };
}

/** Opens the lab and waits until its layout is restored; returns the milliseconds that the page took. */
export async function openLab(page: Page, url: string): Promise<number> {
  await page.goto(url, { waitUntil: 'domcontentloaded' });
  await page.waitForSelector('body[data-lab-restored=true]', { state: 'attached' });
  return page.evaluate(() => performance.getEntriesByName('lab-restored')[0]!.startTime);
}

/** Waits until the kernel of the document in front is in a state. */
export async function waitForKernel(page: Page, status = 'idle', timeout?: number): Promise<void> {
  await page.waitForFunction(
    (wanted) => {
      const app = (window as unknown as { jupyterapp: JupyterApp }).jupyterapp;
      return app.shell.currentWidget?.sessionContext?.session?.kernel?.status === wanted;
    },
    status,
    timeout === undefined ? {} : { timeout },
  );
}

/** Opens a notebook and waits until it is shown. */
export async function openNotebook(page: Page, path: string): Promise<void> {
  await execute(page, 'docmanager:open', { path });
  await page.waitForSelector('.jp-NotebookPanel:not(.lm-mod-hidden) .jp-Cell');
}

/** Whether the document in front has changes that are not saved. */
export function isDirty(page: Page): Promise<boolean> {
  return page.evaluate(
    () =>
      (window as unknown as { jupyterapp: JupyterApp }).jupyterapp.shell.currentWidget?.context?.model
        .dirty ?? false,
  );
}

/** Saves the document in front and waits until it is no longer dirty. */
export async function save(page: Page): Promise<void> {
  await execute(page, 'docmanager:save');
  await page.waitForFunction(
    () =>
      !(window as unknown as { jupyterapp: JupyterApp }).jupyterapp.shell.currentWidget?.context?.model.dirty,
  );
}

/** Opens the lab with a notebook whose only cell shows something in the live panel, runs it and opens the panel. */
export async function openLivePanel(page: Page, address: string, notebook: string): Promise<void> {
  await openLab(page, address);
  await openNotebook(page, notebook);
  await waitForKernel(page);
  await execute(page, 'notebook:run-cell');
  await waitForKernel(page);
  const errors = await page
    .locator('.jp-OutputArea-output[data-mime-type="application/vnd.jupyter.error"]')
    .allTextContents();
  if (errors.length > 0) throw new Error(`the cell of ${notebook} failed: ${errors.join('\n')}`);
  await execute(page, 'fovea:open-panel');
}
