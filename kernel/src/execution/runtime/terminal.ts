import { syncBuiltinESMExports } from 'node:module';
import process from 'node:process';
import tty from 'node:tty';

/** Width that programs wrap and draw for: what a notebook shows beside its margins. */
const COLUMNS = 100;
const ROWS = 30;

/**
 * Makes stdout and stderr look like a terminal with colours to the libraries of cells, whose movements of the
 * cursor `TerminalLine` then translates. Programs that cells start see pipes, as they are.
 */
export function imitateTerminal(): void {
  const colours = !process.env.NO_COLOR;
  // Whatever terminal the server was started from, notebooks show this many colours.
  process.env.TERM = 'xterm-256color';
  const { cursorTo, moveCursor, clearLine, clearScreenDown } = tty.WriteStream.prototype;
  const properties = {
    isTTY: true,
    columns: COLUMNS,
    rows: ROWS,
    getWindowSize: () => [COLUMNS, ROWS],
    hasColors: (count: unknown = 16) => colours && (typeof count !== 'number' || count <= 256),
    // `console` would colour the values that it prints, which many read or compare as text.
    getColorDepth: () => 1,
    cursorTo,
    moveCursor,
    clearLine,
    clearScreenDown,
  };
  for (const stream of [process.stdout, process.stderr]) {
    for (const [name, value] of Object.entries(properties))
      Object.defineProperty(stream, name, { value, configurable: true, writable: true });
  }
  if (!colours) return;
  const { isatty } = tty;
  tty.isatty = (descriptor) => descriptor === 1 || descriptor === 2 || isatty(descriptor);
  syncBuiltinESMExports();
}
