import { randomUUID } from 'node:crypto';
import { type MimeBundle, mergeBundles, tableBundle, withPicture } from '../display/bundle.js';
import { show } from '../display/cell-output.js';
import { latencyDocument, paretoView } from '../display/documents/latency.js';
import { drawLatency } from '../display/draw/latency.js';
import { escapeMarkup } from '../display/draw/svg.js';
import { SWEEP_MIME, type SweepDocument } from '../display/sweep-document.js';
import { paretoOf, pointLabel, sweepRows, sweepTable } from './rows.js';
import type { Sweep } from './sweep.js';
import { sweepsShown } from './sweeps-shown.js';

/** Shortest time between two drawings. */
const redrawMs = 500;
/** Rows and running points that a display holds: a notebook is no database. */
const MOST_ROWS = 200;
const MOST_RUNNING = 16;
/** Points of the plot; finding the front compares each with all. */
const MOST_PLOTTED = 1000;

/** Shows a sweep in the cell and keeps what is shown up to date until it is over. */
export async function displaySweep(sweep: Sweep): Promise<void> {
  const id = randomUUID();
  let over = false;
  let pending: NodeJS.Timeout | undefined;
  const draw = () => {
    clearTimeout(pending);
    pending = undefined;
    show(sweepBundle(sweepDocument(sweep, id, over)), id);
  };
  const release = sweepsShown.add(id, sweep);
  sweep.onChange(() => {
    if (!over) pending ??= setTimeout(draw, redrawMs);
  });
  draw();
  await sweep.finished.catch(() => undefined);
  over = true;
  release();
  draw();
}

/** A sweep as its display holds it. */
function sweepDocument(sweep: Sweep, id: string, over: boolean): SweepDocument {
  const { name, state, points, running, notices } = sweep;
  // In the order in which they came, so that the latest are those that are kept.
  const records = [...sweep.records.values()];
  const failed = records.filter(({ status }) => status === 'failed').length;
  const rows = sweepRows(records);
  const pareto = paretoOf(rows.slice(-MOST_PLOTTED));
  const elapsedMs = performance.now() - sweep.startedMs;
  const here = records.length - sweep.resumed;
  return {
    ...{ version: 1, id, name, points, failed, elapsedMs },
    state: over && (state === 'running' || state === 'paused') ? 'stopped' : state,
    completed: records.length - failed,
    ...(here > 0 && !over ? { leftMs: (elapsedMs / here) * (points - records.length) } : {}),
    running: over
      ? []
      : [...running].slice(0, MOST_RUNNING).map(([point, { worker, fraction }]) => ({
          label: pointLabel(sweep.pointOf(point)),
          ...{ worker, fraction },
        })),
    notices: over ? [] : [...notices.values()],
    skipped: sweep.expansion.skipped.map(({ file, reason }) => `${file}: ${reason}`),
    table: sweepTable(rows.slice(-MOST_ROWS)),
    ...(pareto
      ? {
          latency: latencyDocument([
            paretoView(
              pareto.points.map((point) => ({ ...point, origin: 'measured' })),
              { yLabel: pareto.yLabel },
            ),
          ]),
        }
      : {}),
  };
}

/** A number or a range of numbers; nothing is one that is missing. */
const isFigure = (value: string | number) => typeof value === 'number' || /^(?:[\d.]+–[\d.]+)?$/.test(value);

/** The document for the extension; a bar, a picture and a table for other front ends. */
export function sweepBundle(document: SweepDocument): MimeBundle {
  const { name, points, completed, failed, state, notices, skipped = [], table, latency } = document;
  const head = `sweep ${name}: ${state}, ${completed} of ${points} points completed${failed ? `, ${failed} failed` : ''}`;
  const shown = (value: string | number) =>
    typeof value === 'number' ? Number(value.toPrecision(4)) : value;
  const tables = tableBundle({
    summary: head,
    columns: table.columns.map((label, column) => ({
      label,
      // Names and sentences can be broken where there is little room; figures cannot.
      align: table.rows.every((row) => isFigure(row[column]!)) ? 'right' : 'left',
    })),
    rows: table.rows.map((row) => row.map(shown)),
    notes: [...notices, ...skipped.map((each) => `skipped ${each}`)],
  });
  const bundle = mergeBundles({ data: { [SWEEP_MIME]: document }, metadata: {} }, tables);
  const pictured = latency ? withPicture(() => drawLatency(latency), bundle) : bundle;
  const { 'image/png': png, ...data } = pictured.data;
  const bar = `<div><progress value="${completed + failed}" max="${Math.max(1, points)}" style="width:240px"></progress> ${escapeMarkup(head)}</div>`;
  const image =
    typeof png === 'string'
      ? `<img alt="quality against latency" style="max-width:100%" src="data:image/png;base64,${png}">`
      : '';
  return { data: { ...data, 'text/html': `${bar}${image}\n${String(data['text/html'])}` }, metadata: {} };
}
