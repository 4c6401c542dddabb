import { readFileSync } from 'node:fs';

/** A clock tick of the counters in /proc/stat, ms. */
const tickMs = 10;

/**
 * Processor time, summed over cores, that did not go to this process although it was asked for: other programs'
 * and what the hypervisor gave to other machines. Differences show how disturbed a measurement was.
 * @returns ms since some moment; undefined where the operating system does not report it
 */
function othersMs(): number | undefined {
  let line: string;
  try {
    line = readFileSync('/proc/stat', 'utf8').split('\n', 1)[0]!;
  } catch {
    return undefined;
  }
  // user, nice, system, idle, waiting for disks, interrupts, soft interrupts, stolen
  const [user, nice, system, , , interrupts, soft, stolen] = line.trim().split(/\s+/).slice(1).map(Number);
  const { user: ownUser, system: ownSystem } = process.cpuUsage();
  const busy = (user! + nice! + system! + interrupts! + soft! + (stolen ?? 0)) * tickMs;
  return Number.isFinite(busy) ? busy - (ownUser + ownSystem) / 1e3 : undefined;
}

/** Measures how disturbed the time since `start` was. */
export class Disturbance {
  private readonly since = performance.now();
  private readonly before = othersMs();

  /** Cores that others kept busy meanwhile; 0 where that is not known. */
  get cores(): number {
    const now = othersMs();
    if (now === undefined || this.before === undefined) return 0;
    return Math.max(0, now - this.before) / Math.max(1, performance.now() - this.since);
  }
}
