/**
 * Measures the kernel from outside, as a front end meets it: start, round trip, completion, interrupt, memory,
 * throughput, hot loops. tslab and deno are measured beside it where they are installed.
 *
 *     npm run bench:kernel
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHmac, randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Dealer, Subscriber } from 'zeromq';

const entry = fileURLToPath(new URL('../../kernel/bin/fovea.js', import.meta.url));
const installed = (command) => spawnSync('sh', ['-c', `command -v ${command}`]).status === 0;

const kernels = [
  { name: 'fovea', command: (file) => [process.execPath, entry, 'kernel', '-f', file] },
  ...(installed('tslab')
    ? [{ name: 'tslab', command: (file) => ['tslab', 'kernel', '--config-path', file] }]
    : []),
  ...(installed('deno')
    ? [{ name: 'deno', command: (file) => ['deno', 'jupyter', '--kernel', '--conn', file] }]
    : []),
];

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** The least that a front end needs. */
class Client {
  static async start(command) {
    const folder = mkdtempSync(join(tmpdir(), 'fovea-bench-'));
    const names = ['shell_port', 'iopub_port', 'stdin_port', 'control_port', 'hb_port'];
    const ports = Object.fromEntries(await Promise.all(names.map(async (name) => [name, await freePort()])));
    const connection = {
      transport: 'tcp',
      ip: '127.0.0.1',
      key: randomUUID(),
      signature_scheme: 'hmac-sha256',
      ...ports,
    };
    const file = join(folder, 'connection.json');
    writeFileSync(file, JSON.stringify(connection));
    const [program, ...parameters] = command(file);
    const started = performance.now();
    const child = spawn(program, parameters, {
      cwd: folder,
      stdio: 'ignore',
      env: { ...process.env, FOVEA_HISTORY: join(folder, 'history') },
    });
    const client = new Client(connection, child, folder);
    // Until the sockets are bound the request waits in the client's own queue.
    await client.request('shell', 'kernel_info_request', {});
    client.readyMs = performance.now() - started;
    return client;
  }

  constructor(connection, child, folder) {
    Object.assign(this, { connection, child, folder, waiting: new Map(), output: [], idle: new Map() });
    const routingId = randomUUID();
    this.sockets = {
      shell: new Dealer({ routingId, linger: 0 }),
      control: new Dealer({ routingId, linger: 0 }),
      iopub: new Subscriber({ linger: 0, receiveHighWaterMark: 0 }),
    };
    this.sockets.iopub.subscribe();
    for (const [channel, socket] of Object.entries(this.sockets))
      socket.connect(`tcp://127.0.0.1:${connection[`${channel}_port`]}`);
    for (const channel of ['shell', 'control']) this.listen(channel);
    this.hear();
  }

  async listen(channel) {
    for await (const frames of this.sockets[channel]) {
      const at = frames.findIndex((frame) => frame.toString() === '<IDS|MSG>');
      const parent = JSON.parse(frames[at + 3]);
      this.waiting.get(parent.msg_id)?.(JSON.parse(frames[at + 5]));
      this.waiting.delete(parent.msg_id);
    }
  }

  async hear() {
    for await (const frames of this.sockets.iopub) {
      const at = frames.findIndex((frame) => frame.toString() === '<IDS|MSG>');
      const [header, parent, , content] = frames.slice(at + 2, at + 6).map((frame) => JSON.parse(frame));
      if (header.msg_type === 'stream') this.output.push(content.text);
      if (header.msg_type === 'execute_result') this.result = content.data['text/plain'];
      if (header.msg_type === 'status' && content.execution_state === 'idle')
        this.idle.get(parent.msg_id)?.();
    }
  }

  send(channel, type, content) {
    const id = randomUUID();
    const header = {
      msg_id: id,
      session: 'bench',
      username: 'bench',
      date: new Date().toISOString(),
      msg_type: type,
      version: '5.4',
    };
    const parts = [header, {}, {}, content].map((part) => JSON.stringify(part));
    const hmac = createHmac('sha256', this.connection.key);
    for (const part of parts) hmac.update(part);
    const reply = new Promise((resolve) => this.waiting.set(id, resolve));
    const idle = new Promise((resolve) => this.idle.set(id, resolve));
    this.last = (this.last ?? Promise.resolve()).then(() =>
      this.sockets[channel].send(['<IDS|MSG>', hmac.digest('hex'), ...parts]),
    );
    return { reply, idle };
  }

  request(channel, type, content) {
    return this.send(channel, type, content).reply;
  }

  execute(code) {
    return this.send('shell', 'execute_request', {
      code,
      silent: false,
      store_history: true,
      user_expressions: {},
      allow_stdin: false,
    });
  }

  /** Proportional and resident memory of the process and its descendants, MB. */
  memory() {
    const tree = [];
    const visit = (pid) => {
      tree.push(pid);
      for (const child of readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
        .split(' ')
        .filter(Boolean))
        visit(child);
    };
    visit(this.child.pid);
    const sum = (file, field) =>
      tree.reduce(
        (total, pid) =>
          total +
          Number(
            new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(readFileSync(`/proc/${pid}/${file}`, 'utf8'))[1],
          ),
        0,
      ) / 1024;
    return { pssMb: sum('smaps_rollup', 'Pss'), rssMb: sum('status', 'VmRSS'), processes: tree.length };
  }

  async stop() {
    for (const socket of Object.values(this.sockets)) socket.close();
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGKILL');
    await ended;
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Longest wait for an answer. Other kernels lose some. */
const PATIENCE_MS = 20_000;

/** Milliseconds until an action has ended; `undefined` when it does not. */
async function timed(action) {
  const started = performance.now();
  const ended = await Promise.race([action().then(() => true), sleep(PATIENCE_MS).then(() => false)]);
  return ended ? performance.now() - started : undefined;
}

async function measure({ name, command }) {
  const rows = {};
  const starts = [];
  for (let i = 0; i < 3; i++) {
    const one = await Client.start(command);
    starts.push(one.readyMs);
    await one.stop();
  }
  rows['start to ready (ms)'] = median(starts);
  let client = await Client.start(command);
  try {
    rows['first cell (ms)'] = await timed(() => client.execute('1 + 1').reply);
    await sleep(300);
    rows['first completion (ms)'] = await timed(() =>
      client.request('shell', 'complete_request', { code: 'Math.s', cursor_pos: 6 }),
    );
    await sleep(1500);
    const trips = [];
    const whole = [];
    for (let i = 0; i < 200; i++) {
      const started = performance.now();
      const { reply, idle } = client.execute(`${i} + 1`);
      await reply;
      trips.push(performance.now() - started);
      await idle;
      whole.push(performance.now() - started);
    }
    rows['round trip to reply, median (ms)'] = median(trips);
    rows['round trip to idle, median (ms)'] = median(whole);
    const completions = [];
    for (let i = 0; i < 20; i++) {
      const code = `const v${i} = [1]; v${i}.ma`;
      completions.push(
        await timed(() => client.request('shell', 'complete_request', { code, cursor_pos: code.length })),
      );
    }
    rows['later completions, median (ms)'] = median(completions);
    await sleep(1500);
    const memory = client.memory();
    rows['idle memory of the tree, PSS (MB)'] = memory.pssMb;
    rows['idle memory of the tree, RSS (MB)'] = memory.rssMb;
    client.output.length = 0;
    rows['20,000 printed lines (ms)'] = await timed(
      () => client.execute('for (let i = 0; i < 20000; i++) console.log("line " + i)').idle,
    );
    rows['… lines that arrived'] = client.output.join('').split('\n').length - 1;
    // A kernel that has lost messages may answer no more.
    await client.stop();
    client = await Client.start(command);
    for (const [title, top, local] of [
      [
        'integers',
        'let total = 0; for (let i = 0; i < 5e7; i++) total += i % 7;',
        '(() => { let total = 0; for (let i = 0; i < 5e7; i++) total += i % 7; return total })();',
      ],
      [
        'doubles',
        'let sum = 0; for (let i = 0; i < 3e7; i++) sum += i * 0.5;',
        '(() => { let sum = 0; for (let i = 0; i < 3e7; i++) sum += i * 0.5; return sum })();',
      ],
    ]) {
      const best = async (code) => {
        const first = await timed(() => client.execute(code).idle);
        // What takes long is hardly faster the second time.
        if (first === undefined || first > 3000) return first;
        return Math.min(first, (await timed(() => client.execute(code).idle)) ?? first);
      };
      const locals = await best(local);
      const globals = await best(top);
      rows[`hot loop over top-level ${title}, times a local’s`] = globals && locals && globals / locals;
    }
    if (name === 'fovea') {
      for (const [title, code] of [
        ['a busy loop', 'while (true) {}'],
        ['a pending await', 'await new Promise(() => {})'],
      ]) {
        const times = [];
        for (let i = 0; i < 5; i++) {
          const { reply } = client.execute(code);
          await sleep(150);
          times.push(
            await timed(async () => {
              void client.request('control', 'interrupt_request', {});
              await reply;
            }),
          );
        }
        rows[`interrupt of ${title} (ms)`] = median(times);
      }
    }
  } finally {
    await client.stop();
  }
  return rows;
}

/** What the kernel aims at. */
const limits = {
  'start to ready (ms)': 1000,
  'first completion (ms)': 400,
  'round trip to reply, median (ms)': 4,
  'later completions, median (ms)': 40,
  'idle memory of the tree, PSS (MB)': 250,
  'hot loop over top-level integers, times a local’s': 2,
  'hot loop over top-level doubles, times a local’s': 2,
  'interrupt of a busy loop (ms)': 200,
  'interrupt of a pending await (ms)': 200,
};
const format = (value) =>
  value === undefined ? '–' : value >= 100 ? value.toFixed(0) : value.toPrecision(3);

export async function bench() {
  const tables = [];
  for (const kernel of kernels) tables.push([kernel.name, await measure(kernel)]);
  console.log(`Node ${process.version}, ${process.arch}`);
  console.log(
    ['measure'.padEnd(52), 'aim'.padStart(8), ...tables.map(([name]) => name.padStart(10))].join(''),
  );
  for (const row of Object.keys(tables[0][1])) {
    const aim = limits[row] === undefined ? '' : `< ${limits[row]}`;
    console.log(
      [row.padEnd(52), aim.padStart(8), ...tables.map(([, values]) => format(values[row]).padStart(10))].join(
        '',
      ),
    );
  }
}
