import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import process from 'node:process';
import { counted } from '../../presentation/index.js';
import type { Cell } from './cell.js';
import { npmProgram } from './npm-program.js';
import { listVariables, resetVariables } from './services.js';

export interface MagicsContext {
  readonly directory: string;
  cell(): Cell | undefined;
  /** Disposes of values and forgets results, when the variables are reset. */
  reset(): Promise<void>;
}

type Magic = (argument: string, body: string) => unknown;

/** What magics do that need the runtime, by name: `argument` is the rest of the line, `body` of the cell. */
export function createMagics(context: MagicsContext): Record<string, Magic> {
  return {
    bash: (_, body) => run('bash', 'bash', ['-c', body], process.cwd()),
    sh: (_, body) => run('sh', 'sh', ['-c', body], process.cwd()),
    npm(argument) {
      const [program, ...first] = npmProgram();
      return run('npm', program, [...first, ...splitWords(argument)], context.directory);
    },
    who() {
      const rows = listVariables();
      if (rows.length === 0) return print('no variables');
      const width = (key: 'name' | 'type') => Math.max(...rows.map((row) => row[key].length));
      const [nameWidth, typeWidth] = [width('name'), width('type')];
      for (const { name, type, value } of rows)
        print(`${name.padEnd(nameWidth)}  ${type.padEnd(typeWidth)}  ${value}`);
    },
    async reset() {
      await context.reset();
      const count = resetVariables();
      print(`forgot ${counted(count, 'variable')}`);
    },
    load(argument) {
      const text = readFileSync(resolve(context.directory, argument.trim()), 'utf8');
      context.cell()?.payload.push({ source: 'set_next_input', text, replace: true });
    },
  };
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Words of a command line; quotes keep words together. */
function splitWords(line: string): string[] {
  return [...line.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map((match) => match[1] ?? match[2] ?? match[3]!);
}

/** Runs a program in a folder with its output in the cell. @throws Error when it fails */
function run(name: string, program: string, parameters: readonly string[], cwd: string): Promise<void> {
  return new Promise((done, failed) => {
    const child = spawn(program, parameters, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
    child.stdout.on('data', (chunk: Buffer) => process.stdout.write(chunk));
    child.stderr.on('data', (chunk: Buffer) => process.stderr.write(chunk));
    child.on('error', (error) => failed(new Error(`cannot run ${name}: ${error.message}`, { cause: error })));
    child.on('close', (code, signal) => {
      if (code === 0) done();
      else failed(new Error(`${name} ended with ${signal ?? `exit code ${code}`}`));
    });
  });
}
