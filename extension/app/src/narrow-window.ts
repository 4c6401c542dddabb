import { ILabShell, type JupyterFrontEnd, type JupyterFrontEndPlugin } from '@jupyterlab/application';

/** Fewer pixels than this are too few to read a document in. */
const LEAST_WIDTH = 360;

type Shell = Pick<
  ILabShell,
  'leftCollapsed' | 'rightCollapsed' | 'collapseLeft' | 'collapseRight' | 'layoutModified'
>;

/**
 * Leaves room for documents in narrow windows. JupyterLab's side areas keep their width there, and what is between
 * them got what was left: none in a window of 420 pixels.
 */
export const narrowWindowPlugin: JupyterFrontEndPlugin<void> = {
  id: '@fovea/app:narrow-window',
  description: 'Collapses side areas where they leave no room for documents.',
  autoStart: true,
  requires: [ILabShell],
  activate: (app: JupyterFrontEnd, shell: ILabShell) => {
    void app.restored.then(() => leaveRoom(shell));
  },
};

function leaveRoom(shell: Shell): void {
  whenShown(() => {
    if (isCramped()) shell.collapseLeft();
    // The shell has its new layout in the turn after.
    requestAnimationFrame(() =>
      whenShown(() => {
        if (isCramped()) shell.collapseRight();
        keepRoom(shell);
      }),
    );
  });
}

/** Calls back as soon as documents have a place: JupyterLab hides itself for a moment when a theme comes in. */
function whenShown(callback: () => void): void {
  const dock = document.getElementById('jp-main-dock-panel')!;
  const observer = new ResizeObserver(() => {
    if (dock.clientWidth === 0) return;
    observer.disconnect();
    callback();
  });
  observer.observe(dock);
}

/**
 * Of two areas that leave no room, the one that was opened last stays; one alone is what somebody wants to see. Where it
 * is the window that becomes narrow, as when its page is enlarged, documents stay, unless somebody works in the area.
 */
function keepRoom(shell: Shell): void {
  let isRightLast = !shell.rightCollapsed;
  let [left, right] = [!shell.leftCollapsed, !shell.rightCollapsed];
  const look = () => {
    const [isLeft, isRight] = [!shell.leftCollapsed, !shell.rightCollapsed];
    if (isLeft !== left || isRight !== right) isRightLast = isRight && !right;
    [left, right] = [isLeft, isRight];
    if (!isLeft || !isRight || !isCramped()) return;
    if (isRightLast) shell.collapseLeft();
    else shell.collapseRight();
  };
  shell.layoutModified.connect(look);
  window.addEventListener('resize', () => requestAnimationFrame(look));
  let wasCramped = isCramped();
  let before = window.innerWidth;
  // Called once the shell has laid itself out, which is some time after the window's own event.
  new ResizeObserver(() => {
    const becameNarrow = !wasCramped && window.innerWidth < before;
    wasCramped = isCramped();
    before = window.innerWidth;
    if (!becameNarrow || !wasCramped) return;
    if (!shell.leftCollapsed && !shell.rightCollapsed) return;
    if (!hasFocus('jp-left-stack')) shell.collapseLeft();
    if (!hasFocus('jp-right-stack')) shell.collapseRight();
  }).observe(document.getElementById('jp-main-dock-panel')!);
}

const hasFocus = (id: string): boolean =>
  document.getElementById(id)?.contains(document.activeElement) ?? false;

/** Whether there are documents, or could be, in less than the least width. */
function isCramped(): boolean {
  const dock = document.getElementById('jp-main-dock-panel');
  return dock?.checkVisibility() === true && dock.clientWidth < LEAST_WIDTH;
}
