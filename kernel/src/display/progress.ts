import { randomUUID } from 'node:crypto';
import { FoveaError } from '@fovea/engine';
import {
  aNumber,
  aText,
  either,
  expectArgument,
  expectOptions,
  type Kind,
  numbers,
  said,
} from '@fovea/engine/files';
import { formatPercent } from '../presentation/index.js';
import { cellOutput } from './cell-output.js';
import { escapeMarkup } from './draw/svg.js';

/** Shortest time between two drawings of a bar. */
const redrawMs = 100;

/** What a progress bar says. */
export interface ProgressOptions {
  /** What is going on, in front of the bar. */
  readonly label?: string;
}

/**
 * A progress bar that updates in place.
 *
 *     const bar = fovea.progress(images.length, { label: 'images' });
 *     for (const image of images) { await run(network, image); bar.advance(); }
 *     bar.finish();
 */
export class Progress {
  readonly #id = randomUUID();
  readonly #startedMs = performance.now();
  readonly #total: number;
  #label: string;
  #done = 0;
  #drawnMs = Number.NEGATIVE_INFINITY;
  #shown = false;
  #finished = false;
  #pending: NodeJS.Timeout | undefined;

  /**
   * @param total how much there is to do, in any unit; 1 to report fractions
   * @throws FoveaError `bad-argument` unless it is a positive number
   */
  constructor(total = 1, options: ProgressOptions = {}) {
    const { label = '' } = expectOptions(options, { label: aText }, 'progress');
    if (!(typeof total === 'number' && total > 0 && Number.isFinite(total))) {
      throw new FoveaError('bad-argument', `progress of ${said(total)}: a positive number is accepted`);
    }
    this.#total = total;
    this.#label = label;
    this.#draw();
  }

  /** How much is done, out of `total`. */
  get done(): number {
    return this.#done;
  }

  /** Sets how much is done; values outside 0…total are clamped. */
  set(done: number, label = this.#label): void {
    expectArgument(done, aNumber, 'progress: done');
    expectArgument(label, aText, 'progress: label');
    if (this.#finished) return;
    this.#done = Math.min(this.#total, Math.max(0, Number.isFinite(done) ? done : this.#done));
    this.#label = label;
    const waitMs = this.#drawnMs + redrawMs - performance.now();
    if (waitMs <= 0) this.#draw();
    else this.#pending ??= setTimeout(() => this.#draw(), waitMs).unref();
  }

  /** Adds to how much is done. */
  advance(by = 1, label = this.#label): void {
    expectArgument(by, aNumber, 'progress: by');
    this.set(this.#done + by, label);
  }

  /** Ends the bar; later calls change nothing. */
  finish(label = this.#label): void {
    expectArgument(label, aText, 'progress: label');
    if (this.#finished) return;
    this.#done = this.#total;
    this.#label = label;
    this.#finished = true;
    this.#draw();
  }

  #draw(): void {
    clearTimeout(this.#pending);
    this.#pending = undefined;
    this.#drawnMs = performance.now();
    const fraction = this.#done / this.#total;
    const percent = formatPercent(Math.floor(fraction * 100) / 100, 0);
    const elapsedS = (this.#drawnMs - this.#startedMs) / 1000;
    const leftS = fraction > 0 && fraction < 1 ? (elapsedS / fraction) * (1 - fraction) : undefined;
    const times = `${duration(elapsedS)}${leftS === undefined || elapsedS < 1 ? '' : `, ${duration(leftS)} left`}`;
    const count = this.#total === 1 ? percent : `${trim(this.#done)} of ${trim(this.#total)}, ${percent}`;
    const filled = Math.round(fraction * 30);
    const label = this.#label === '' ? '' : `${this.#label} `;
    const data = {
      'text/html':
        `<div>${escapeMarkup(label)}<progress value="${fraction}" max="1" style="width:240px"></progress> ` +
        `${count} <small>${times}</small></div>`,
      'text/plain': `${label}[${'#'.repeat(filled)}${'.'.repeat(30 - filled)}] ${count} (${times})`,
    };
    cellOutput().display({ data, metadata: {} }, { id: this.#id, update: this.#shown });
    this.#shown = true;
  }
}

function trim(value: number): string {
  return String(Math.round(value * 100) / 100);
}

function duration(seconds: number): string {
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, '0')} s`;
}

const aList: Kind = {
  accepted: 'a list',
  holds: (value) => Array.isArray(value) || numbers.holds(value),
};

/** A bar over `total` steps, which the returned object moves. */
export function progress(total?: number, options?: ProgressOptions): Progress;
/** Goes through a list, with a bar that follows: `for (const x of fovea.progress(list))`. */
export function progress<Item>(items: readonly Item[], options?: ProgressOptions): Iterable<Item>;
export function progress<Item>(
  totalOrItems: number | readonly Item[] = 1,
  options: ProgressOptions = {},
): Progress | Iterable<Item> {
  expectArgument(totalOrItems, either(aNumber, aList), 'progress of');
  expectOptions(options, { label: aText }, 'progress');
  return typeof totalOrItems === 'number'
    ? new Progress(totalOrItems, options)
    : follow(totalOrItems, options);
}

function* follow<Item>(items: readonly Item[], options: ProgressOptions): Iterable<Item> {
  if (items.length === 0) return;
  const bar = new Progress(items.length, options);
  for (const item of items) {
    yield item;
    bar.advance();
  }
  bar.finish();
}
