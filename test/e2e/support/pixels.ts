import type { Page } from 'playwright-core';
import type { MasksBlock } from '../../../kernel/src/display/mime.js';

/** Where in the page the masks of a notebook's output are drawn. */
export const OVERLAY =
  '.jp-NotebookPanel:not(.lm-mod-hidden) .jp-OutputArea .fovea-masks .fovea-panel:not([hidden]) .fovea-overlay canvas';

/** The picture as drawn, as one string that is equal for equal pixels. */
export function picture(page: Page, selector: string): Promise<string> {
  return page.evaluate((where) => document.querySelector<HTMLCanvasElement>(where)!.toDataURL(), selector);
}

/** Mean saturation (0…255) over the inner part of the active and of the skipped cells, as drawn. */
export function saturation(
  page: Page,
  selector: string,
  block: MasksBlock,
): Promise<{ active: number; skipped: number }> {
  return page.evaluate(
    ([where, { rows, columns, cells }]) => {
      const canvas = document.querySelector<HTMLCanvasElement>(where)!;
      const { data } = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height);
      const sums = { '0': [0, 0], '1': [0, 0] } as Record<string, [number, number]>;
      for (let y = 0; y < canvas.height; y += 1) {
        for (let x = 0; x < canvas.width; x += 1) {
          const row = (y * rows) / canvas.height;
          const column = (x * columns) / canvas.width;
          const inside = (at: number) => at % 1 > 0.25 && at % 1 < 0.75;
          if (!inside(row) || !inside(column)) continue;
          const sum = sums[cells[Math.floor(row) * columns + Math.floor(column)]!]!;
          const at = 4 * (y * canvas.width + x);
          const [r, g, b] = [data[at]!, data[at + 1]!, data[at + 2]!];
          sum[0] += Math.max(r, g, b) - Math.min(r, g, b);
          sum[1] += 1;
        }
      }
      const mean = ([total, count]: [number, number]) => (count > 0 ? total / count : 0);
      return { active: mean(sums['1']!), skipped: mean(sums['0']!) };
    },
    [selector, { rows: block.rows, columns: block.columns, cells: block.cells }] as const,
  );
}
