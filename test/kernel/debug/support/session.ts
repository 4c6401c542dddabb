import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import { TestKernel } from '../../client.js';

export type Body = Record<string, any>;

/** The kernel of the test file that imports this: started before its tests, ended after them. */
export let kernel: TestKernel;
let seq = 1;

beforeAll(async () => {
  kernel = await TestKernel.start({
    files: {
      'helper.ts':
        'export function twice(n: number): number {\n  const doubled = n * 2;\n  return doubled;\n}\n',
    },
  });
});

afterAll(() => kernel.stop());

/** Sends a request of the debug protocol; a failed one throws its message. */
export async function debug(command: string, parameters: Record<string, unknown> = {}): Promise<Body> {
  const { content } = await kernel.request('control', 'debug_request', {
    type: 'request',
    seq: seq++,
    command,
    arguments: parameters,
  });
  if (!content.success) throw new Error(content.message);
  return content.body;
}

let eventsSeen = 0;

/** The next debug event of this name. */
export async function event(name: string): Promise<Body> {
  let found: Body | undefined;
  await expect
    .poll(
      () => {
        const events = kernel.heard
          .filter(({ type }) => type === 'debug_event')
          .map(({ content }) => content);
        const at = events.findIndex((one, index) => index >= eventsSeen && one.event === name);
        if (at >= 0) {
          found = events[at];
          eventsSeen = at + 1;
        }
        return at >= 0;
      },
      { timeout: 15_000, interval: 10 },
    )
    .toBe(true);
  return found!.body;
}

/** Starts a session; breakpoints are lines of the cell, from 1. */
export async function session(
  code: string,
  lines: readonly (number | { line: number; condition: string })[],
): Promise<string> {
  await debug('initialize', { adapterID: 'test', linesStartAt1: true });
  await debug('attach');
  const { sourcePath } = await debug('dumpCell', { code });
  const breakpoints = lines.map((line) => (typeof line === 'number' ? { line } : line));
  const answer = await debug('setBreakpoints', {
    source: { path: sourcePath },
    breakpoints,
    sourceModified: false,
  });
  expect(
    answer.breakpoints.map((one: { verified: boolean; line: number }) => [one.verified, one.line]),
  ).toEqual(breakpoints.map(({ line }) => [true, line]));
  await debug('configurationDone');
  eventsSeen = kernel.heard.filter(({ type }) => type === 'debug_event').length;
  return sourcePath;
}

afterEach(async () => {
  for (const [path] of files) await debug('setBreakpoints', { source: { path }, breakpoints: [] });
  files.clear();
  await debug('setExceptionBreakpoints', { filters: [] });
  await debug('disconnect', { restart: false, terminateDebuggee: false });
});

/** Files that a test has set breakpoints in. */
export const files = new Map<string, true>();

/** Where the program stands: function and line, from the innermost. */
export async function stack(): Promise<[string, number][]> {
  const { stackFrames } = await debug('stackTrace', { threadId: 1 });
  return stackFrames.map((frame: { name: string; line: number }) => [frame.name, frame.line]);
}

export async function scope(name: string, frame = 0): Promise<Body[]> {
  const { stackFrames } = await debug('stackTrace', { threadId: 1 });
  const { scopes } = await debug('scopes', { frameId: stackFrames[frame].id });
  const found = scopes.find((one: { name: string }) => one.name === name);
  if (!found) throw new Error(`no scope ${name} among ${scopes.map((one: { name: string }) => one.name)}`);
  return (await debug('variables', { variablesReference: found.variablesReference })).variables;
}

export const values = (variables: Body[]) =>
  Object.fromEntries(variables.map(({ name, value }) => [name, value]));
