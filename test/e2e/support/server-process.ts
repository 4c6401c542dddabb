import { spawn } from 'node:child_process';
import { until } from '../../kernel/waiting.js';

/** A server that a test starts beside itself. */
export interface ServerProcess {
  /** What it has written so far. */
  log(): string;
  /** Ends it; resolves when it has gone. */
  stop(): Promise<void>;
}

/**
 * Starts a server and waits until it answers.
 * @param url what answers with success as soon as it is up
 */
export async function startServerProcess(
  command: string,
  words: readonly string[],
  { env, cwd, url }: { env: NodeJS.ProcessEnv; cwd?: string; url: string },
): Promise<ServerProcess> {
  const server = spawn(command, words, { env, cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  let log = '';
  for (const stream of [server.stdout, server.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      log += chunk.toString('utf8');
    });
  }
  const ended = new Promise<void>((resolve) => server.once('close', () => resolve()));
  server.once('error', (error) => {
    log += error.message;
  });
  const stop = async () => {
    server.kill('SIGTERM');
    const timer = setTimeout(() => server.kill('SIGKILL'), 20_000);
    await ended;
    clearTimeout(timer);
  };
  const up = () =>
    fetch(url).then(
      ({ ok }) => ok,
      () => false,
    );
  try {
    await until(up, 60_000);
  } catch {
    await stop();
    throw new Error(`no answer at ${url} from ${command}:\n${log}`);
  }
  return { log: () => log, stop };
}
