/**
 * A kernel that does what its cells say, for testing the server: one word and its arguments a line.
 *   print TEXT | stream BYTES | result BYTES | html TEXT | burst COUNT | sleep MS | ask PROMPT | folder | die |
 *   state STATE | raw WHERE TYPE TEXT
 * `raw` broadcasts a message whose WHERE (header, parent, content) is TEXT as it stands.
 * Comm messages come back with their buffers reversed
 */
import { createHmac, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Publisher, Router } from 'zeromq';

const connection = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const address = (port) => `${connection.transport}://${connection.ip}:${port}`;
const session = randomUUID();
const sockets = { shell: new Router(), control: new Router(), stdin: new Router() };
const iopub = new Publisher();
iopub.sendHighWaterMark = 0;
for (const [name, socket] of Object.entries(sockets)) await socket.bind(address(connection[`${name}_port`]));
await iopub.bind(address(connection.iopub_port));
process.on('SIGINT', () => interrupt());

const queues = new Map();
function send(socket, identities, type, content, parent, buffers = []) {
  const header = {
    msg_id: randomUUID(),
    msg_type: type,
    session,
    username: 'echo',
    date: new Date(),
    version: '5.4',
  };
  const parts = [header, parent, {}, content].map((part) => Buffer.from(JSON.stringify(part)));
  return sendParts(socket, identities, parts, buffers);
}
function sendParts(socket, identities, parts, buffers = []) {
  const signature = createHmac('sha256', connection.key);
  for (const part of parts) signature.update(part);
  const frames = [...identities, '<IDS|MSG>', signature.digest('hex'), ...parts, ...buffers];
  const last = (queues.get(socket) ?? Promise.resolve()).then(() => socket.send(frames));
  queues.set(socket, last);
  return last;
}
const publish = (type, content, parent, buffers) =>
  send(iopub, [Buffer.from(type)], type, content, parent, buffers);

let interrupted = false;
let wake = () => undefined;
function interrupt() {
  interrupted = true;
  wake();
}
const sleep = (ms) =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    wake = () => {
      clearTimeout(timer);
      resolve();
    };
  });

let answer = () => undefined;
let count = 0;
async function execute(line, request) {
  const [word, ...rest] = line.split(' ');
  const text = rest.join(' ');
  const { header, identities } = request;
  if (word === 'print') await publish('stream', { name: 'stdout', text: `${text}\n` }, header);
  if (word === 'stream') {
    for (let left = Number(text); left > 0; left -= 65536) {
      await publish('stream', { name: 'stdout', text: 'x'.repeat(Math.min(left, 65536)) }, header);
    }
  }
  if (word === 'result') {
    const data = { 'text/plain': 'y'.repeat(Number(text)) };
    await publish('execute_result', { data, metadata: {}, execution_count: count }, header);
  }
  if (word === 'html') await publish('display_data', { data: { 'text/html': text }, metadata: {} }, header);
  if (word === 'burst') {
    for (let index = 0; index < Number(text); index += 1) {
      await publish('stream', { name: 'stdout', text: `${index}\n` }, header);
    }
  }
  if (word === 'sleep') await sleep(Number(text));
  if (word === 'ask') {
    // Before the question leaves: on a busy machine the answer arrives before `send` resolves.
    const answered = new Promise((resolve) => {
      answer = resolve;
    });
    await send(sockets.stdin, identities, 'input_request', { prompt: text, password: false }, header);
    const value = await answered;
    await publish('stream', { name: 'stdout', text: value }, header);
  }
  if (word === 'folder') await publish('stream', { name: 'stdout', text: process.cwd() }, header);
  if (word === 'die') process.exit(7);
  if (word === 'raw') {
    const [where, type, ...rest] = text.split(' ');
    const whole = { header: { msg_id: randomUUID(), msg_type: type, session }, parent: header, content: {} };
    const json = Object.entries(whole).map(([name, value]) =>
      Buffer.from(name === where ? rest.join(' ') : JSON.stringify(value)),
    );
    await sendParts(iopub, [Buffer.from(type)], [json[0], json[1], Buffer.from('{}'), json[2]]);
  }
  if (word === 'state') await publish('status', { execution_state: text }, {});
}

async function handle(channel, frames) {
  const at = frames.findIndex((frame) => frame.toString() === '<IDS|MSG>');
  const identities = frames.slice(0, at);
  const [header, , , content] = frames.slice(at + 2, at + 6).map((part) => JSON.parse(part.toString()));
  const buffers = frames.slice(at + 6);
  const reply = (type, body) => send(sockets[channel], identities, type, { status: 'ok', ...body }, header);
  if (header.msg_type === 'input_reply') return answer(content.value);
  if (header.msg_type === 'interrupt_request') {
    interrupt();
    return reply('interrupt_reply', {});
  }
  if (header.msg_type === 'shutdown_request') {
    await reply('shutdown_reply', content);
    process.exit(0);
  }
  await publish('status', { execution_state: 'busy' }, header);
  if (header.msg_type === 'kernel_info_request') {
    const language_info = { name: 'echo', version: '1', mimetype: 'text/plain', file_extension: '.txt' };
    await reply('kernel_info_reply', {
      protocol_version: '5.4',
      implementation: 'echo',
      implementation_version: '1',
      banner: '',
      language_info,
    });
  }
  if (header.msg_type === 'execute_request') {
    count += 1;
    interrupted = false;
    await publish('execute_input', { code: content.code, execution_count: count }, header);
    for (const line of content.code.split('\n')) {
      if (!interrupted) await execute(line, { header, identities });
    }
    if (interrupted) {
      const error = { ename: 'Interrupted', evalue: '', traceback: [] };
      await publish('error', error, header);
      await reply('execute_reply', { status: 'error', execution_count: count, ...error });
    } else await reply('execute_reply', { execution_count: count, user_expressions: {} });
  }
  if (header.msg_type === 'comm_msg') {
    const reversed = buffers.map((buffer) => Buffer.from(buffer).reverse());
    await publish('comm_msg', { comm_id: content.comm_id, data: content.data }, header, reversed);
  }
  if (header.msg_type === 'comm_info_request') await reply('comm_info_reply', { comms: {} });
  await publish('status', { execution_state: 'idle' }, header);
}

async function listen(channel) {
  let last = Promise.resolve();
  for await (const frames of sockets[channel]) {
    if (channel === 'shell') last = last.then(() => handle(channel, frames));
    else void handle(channel, frames);
  }
}
for (const channel of Object.keys(sockets)) void listen(channel);
setInterval(() => {
  try {
    process.kill(Number(process.env.JPY_PARENT_PID), 0);
  } catch {
    process.exit(1);
  }
}, 500);
