import { isPromise, said } from '../arguments/said.js';
import type { Backend, RunResult, Session } from '../backends/backend.js';
import { FoveaError } from '../errors.js';

/**
 * Checks a backend that a user wrote.
 * @returns the same object
 * @throws FoveaError `bad-argument` naming what it lacks
 */
export function checkBackend(backend: Backend): Backend {
  const { name, open }: Partial<Backend> = backend ?? {};
  if (typeof name === 'string' && name !== '' && typeof open === 'function') return backend;
  const isObject = typeof backend === 'object' && backend !== null && !isPromise(backend);
  const lacks = typeof open === 'function' ? 'without a name' : 'without a function "open"';
  throw new FoveaError(
    'bad-argument',
    `backend ${isObject ? `an object ${lacks}` : said(backend)}: the name of a backend, or { name, open } is accepted`,
  );
}

/** Checks what a backend opened; the engine's own are not asked twice. */
export function checkSession({ name }: Backend, session: Session): Session {
  const { run, dispose }: Partial<Session> = session ?? {};
  if (typeof run === 'function' && typeof dispose === 'function') return session;
  const lacks = typeof run === 'function' ? 'dispose' : 'run';
  throw new FoveaError(
    'bad-argument',
    `backend "${name}" opened a session without a function "${lacks}"; { run, dispose } is accepted`,
  );
}

/** Checks what a session answered, before anything reads it. */
export function checkResult({ name }: Backend, result: RunResult): RunResult {
  const { output, masks, profile }: Partial<RunResult> = result ?? {};
  const problem =
    !ArrayBuffer.isView(output?.data) || output.shape?.length !== 4
      ? 'no tensor as its "output"'
      : !Array.isArray(masks)
        ? 'no list of "masks"'
        : !Array.isArray(profile?.ops) || !Array.isArray(profile.blocks) || !Number.isFinite(profile.totalMs)
          ? 'no "profile" with ops, blocks and totalMs'
          : undefined;
  if (problem === undefined) return result;
  throw new FoveaError(
    'bad-argument',
    `backend "${name}" answered with ${problem}; { output, masks, profile } is accepted`,
  );
}
