// @module-tag process
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestKernel } from '../client.js';
import { sleep } from '../waiting.js';

let kernel: TestKernel;
beforeAll(async () => {
  kernel = await TestKernel.start();
});
afterAll(() => kernel.stop());

/** Streams of a run in order, neighbours of the same name joined. */
function streams(messages: readonly { type: string; content: Record<string, any> }[]): [string, string][] {
  const joined: [string, string][] = [];
  for (const { type, content } of messages) {
    if (type !== 'stream') continue;
    const last = joined.at(-1);
    if (last?.[0] === content.name) last![1] += content.text;
    else joined.push([content.name, content.text]);
  }
  return joined;
}

describe('streams', () => {
  it('keeps stdout and stderr of console.* in the order of the calls', async () => {
    const { messages } = await kernel.execute(
      'console.log("1"); console.info("2"); console.warn("3"); console.error("4"); console.debug("5"); process.stdout.write("6")',
    );
    expect(streams(messages)).toEqual([
      ['stdout', '1\n2\n'],
      ['stderr', '3\n4\n'],
      ['stdout', '5\n6'],
    ]);
  });

  it('keeps what children and native code write in its place', async () => {
    const { messages } = await kernel.execute(
      'const { execSync } = require("child_process"), fs = require("fs");\nconsole.log("before");\nexecSync("echo child; echo problem >&2", { stdio: "inherit" });\nconsole.log("between");\nfs.writeSync(1, "descriptor\\n");\nexecSync("true");\nconsole.log("after")',
    );
    expect(
      streams(messages)
        .filter(([name]) => name === 'stdout')
        .map(([, text]) => text)
        .join(''),
    ).toBe('before\nchild\nbetween\ndescriptor\nafter\n');
    expect(streams(messages)).toContainEqual(['stderr', 'problem\n']);
  });

  it('delivers 20,000 of 20,000 lines in order before idle, in few messages', async () => {
    const { stdout, messages } = await kernel.execute(
      'for (let i = 0; i < 20000; i++) console.log(`line ${i}`)',
      { ms: 60_000 },
    );
    expect(stdout).toBe(Array.from({ length: 20_000 }, (_, i) => `line ${i}\n`).join(''));
    expect(messages.filter(({ type }) => type === 'stream').length).toBeLessThan(2000);
  });

  it('shows output while a loop is still running', async () => {
    const cell = kernel.start('console.log("live"); var end = Date.now() + 1500; while (Date.now() < end);');
    await kernel.wait(({ type, parent }) => type === 'stream' && parent.msg_id === cell, 1200);
    expect(kernel.heard.some(({ type, parent }) => type === 'execute_reply' && parent.msg_id === cell)).toBe(
      false,
    );
    await kernel.finished(cell);
  });

  it('puts text between displays where it was printed', async () => {
    const { messages } = await kernel.execute(
      'console.log("a"); display(1); console.log("b"); clearOutput({ wait: true }); console.log("c"); 2',
    );
    expect(
      messages.slice(2, -1).map(({ type, content }) => (type === 'stream' ? content.text : type)),
    ).toEqual(['a\n', 'display_data', 'b\n', 'clear_output', 'c\n', 'execute_result']);
    expect(messages.find(({ type }) => type === 'clear_output')!.content).toEqual({ wait: true });
  });

  it('gives late output to the cell whose timer printed it', async () => {
    const first = kernel.start('setTimeout(() => console.log("from the first"), 300); 0');
    await kernel.finished(first);
    await kernel.execute('"second"');
    const late = await kernel.wait(
      ({ type, content }) => type === 'stream' && content.text.includes('from the first'),
    );
    expect(late.parent.msg_id).toBe(first);
  });

  it.each([
    ['a continuation of a detached function', '(async () => { await wait(); await wait(); print(); })()'],
    ['a function of an earlier cell', 'void twice()'],
    ['a chain of promises', 'Promise.resolve().then(() => wait()).then(() => print())'],
    ['a callback of the file system', 'fs.stat("/etc/hostname", () => print())'],
    ['a promise of the file system', 'fs.promises.stat("/etc/hostname").then(() => print())'],
    ['a child that ends', 'child.exec("sleep 0.3", () => print())'],
    ['a child that prints', 'child.spawn("sh", ["-c", "sleep 0.3; echo"]).stdout.on("data", () => print())'],
    [
      'a worker’s message',
      'new Worker("setTimeout(() => require(\'worker_threads\').parentPort.postMessage(1), 300)", { eval: true }).on("message", () => print())',
    ],
  ])('gives late output to the cell that started %s', async (_, code) => {
    await kernel.execute(
      'var fs = require("fs"), child = require("child_process"), { Worker } = require("worker_threads");\n' +
        'var wait = () => new Promise((next) => setTimeout(next, 150)); var twice = async () => { await wait(); await wait(); print(); };',
    );
    const text = `late ${Math.random()}`;
    const cell = kernel.start(`var text = "${text}"; var print = () => console.log("${text}"); ${code}; 0`);
    await kernel.finished(cell);
    await kernel.execute('console.log("in between")');
    await kernel.execute('setTimeout(() => {}, 100); await wait();');
    const late = await kernel.wait(({ type, content }) => type === 'stream' && content.text.includes(text));
    expect(late.parent.msg_id).toBe(cell);
    expect(late.content.text).toBe(`${text}\n`);
  });

  it('gives late output to its cell when Node settles a promise after another began', async () => {
    await kernel.execute(
      'var fs = require("fs"), pipe = require("path").join(fs.mkdtempSync("/tmp/fovea-pipe-"), "pipe");\n' +
        'require("child_process").execFileSync("mkfifo", [pipe]); 0',
    );
    const first = kernel.start(
      'fs.promises.readFile(pipe).then(() => console.log("was read")).finally(() => console.log("was ended")); 0',
    );
    await kernel.finished(first);
    // The pipe is read when somebody writes into it.
    await kernel.execute(
      'fs.writeFileSync(pipe, "x"); fs.rmSync(require("path").dirname(pipe), { recursive: true })',
    );
    for (const text of ['was read', 'was ended']) {
      const late = await kernel.wait(({ type, content }) => type === 'stream' && content.text.includes(text));
      expect(late.parent.msg_id).toBe(first);
    }
  });

  it('shortens what a cell prints beyond the limit, with a note and its end', async () => {
    const own = await TestKernel.start({ environment: { FOVEA_OUTPUT_LIMIT: '100000' } });
    const { stdout, stderr } = await own.execute(
      'for (let i = 0; i < 40000; i++) console.log(`number ${i}`)',
      { ms: 60_000 },
    );
    expect(stdout.length).toBeLessThan(110_000);
    expect(stdout.startsWith('number 0\nnumber 1\n')).toBe(true);
    expect(stdout).toContain('characters of output are not shown');
    expect(stdout.endsWith('number 39999\n')).toBe(true);
    expect(stderr).toContain('more is not shown');
    expect((await own.execute('console.log("fresh")')).stdout).toBe('fresh\n');
    await own.stop();
  });

  it('survives a cell that closes its own stdout', async () => {
    const own = await TestKernel.start();
    await own.execute('require("fs").closeSync(1); process.stdout.end(); process.stdout.destroy()');
    expect((await own.execute('console.log("still here"); 1')).stdout).toBe('still here\n');
    const file = await own.execute('const fd = require("fs").openSync("reused.txt", "w"); fd');
    await own.execute('console.log("not into the file")');
    expect((await own.execute('require("fs").readFileSync("reused.txt", "utf8").length')).result).toBe('0');
    expect(file.error).toBeUndefined();
    await own.stop();
  });

  it('neither hangs nor grows when a loop prints without end', async () => {
    const own = await TestKernel.start();
    const cell = own.start('while (true) console.log("x".repeat(200))');
    await sleep(1500);
    const rss = (await import('node:fs'))
      .readFileSync(`/proc/${own.child.pid}/status`, 'utf8')
      .match(/VmRSS:\s+(\d+)/)![1];
    expect(Number(rss)).toBeLessThan(500_000);
    await own.interrupt();
    expect((await own.finished(cell)).error!.ename).toBe('KeyboardInterrupt');
    expect((await own.execute('"next"')).result).toBe("'next'");
    await own.stop();
  });
});

describe('displays', () => {
  const data = async (code: string) => (await kernel.execute(code)).displays.at(-1)!.data;

  it('asks a value for its own representations', async () => {
    expect(
      await data('({ [Symbol.for("Jupyter.display")]() { return { "text/html": "<i>d</i>" } } })'),
    ).toMatchObject({ 'text/html': '<i>d</i>' });
    expect(
      await data('({ toMimeBundle: () => ({ data: { "text/html": "<i>b</i>" }, metadata: {} }) })'),
    ).toMatchObject({ 'text/html': '<i>b</i>' });
    expect(await data('({ _toMime: () => ({ "text/html": "<i>m</i>" }) })')).toMatchObject({
      'text/html': '<i>m</i>',
    });
    expect(
      await data(
        '({ async [Symbol.for("Jupyter.display")]() { await 1; return { "image/png": new Uint8Array([1, 2]) } } })',
      ),
    ).toMatchObject({ 'image/png': 'AQI=' });
    const broken = await data('({ toMimeBundle() { throw new Error("no bundle") }, n: 1 })');
    expect(broken['text/plain']).toContain('its display failed: Error: no bundle');
  });

  it('has helpers for HTML, Markdown, LaTeX, JSON, SVG, PNG and image files', async () => {
    expect(await data('html`<b>${"<&>"}</b>`')).toMatchObject({ 'text/html': '<b>&#60;&#38;&#62;</b>' });
    expect(await data('html("<b>raw</b>")')).toMatchObject({ 'text/html': '<b>raw</b>' });
    expect(await data('markdown`# ${1 + 1}`')).toMatchObject({ 'text/markdown': '# 2' });
    expect(await data('latex`\\frac{1}{2}`')).toMatchObject({ 'text/latex': '$$\\frac{1}{2}$$' });
    expect(await data('json({ big: 1n, list: new Set([1]) })')).toMatchObject({
      'application/json': { big: '1', list: [1] },
    });
    expect(await data('svg("<svg></svg>")')).toMatchObject({ 'image/svg+xml': '<svg></svg>' });
    expect(await data('png("data:image/png;base64,AAAA")')).toMatchObject({ 'image/png': 'AAAA' });
    expect(
      await data('image(new Uint8Array([0x89, 80, 78, 71, 13, 10, 26, 10]), { width: 5 })'),
    ).toHaveProperty('image/png');
    const wrong = await kernel.execute('image("nowhere.png")');
    expect(wrong.error!.evalue).toContain('cannot read the image nowhere.png');
    expect((await kernel.execute('image(new Uint8Array(4))')).error!.evalue).toContain(
      'PNG, JPEG, GIF, WebP or SVG',
    );
  });

  it('updates what is shown under an id, also from another cell', async () => {
    const { messages } = await kernel.execute(
      'const handle = display("one", { id: "board" }); handle.update("two"); 0',
    );
    const shown = messages.filter(({ type }) => /display_data/.test(type));
    expect(
      shown.map(({ type, content }) => [type, content.data['text/plain'], content.transient.display_id]),
    ).toEqual([
      ['display_data', "'one'", 'board'],
      ['update_display_data', "'two'", 'board'],
    ]);
    const later = await kernel.execute('handle.update(markdown`three`)');
    expect(later.messages.find(({ type }) => type === 'update_display_data')!.content.data).toMatchObject({
      'text/markdown': 'three',
    });
  });

  it('lets only the latest of many quick updates through', async () => {
    const { messages } = await kernel.execute(
      'const many = display(0); for (let i = 1; i <= 5000; i++) many.update(i); 0',
    );
    const updates = messages.filter(({ type }) => type === 'update_display_data');
    expect(updates.length).toBeLessThan(200);
    expect(updates.at(-1)!.content.data['text/plain']).toBe('5000');
  });

  it('shows lists of records as tables and typed arrays with their statistics', async () => {
    const table = await data('[{ name: "<a>", size: 1 }, { name: "b", extra: { k: 1 } }]');
    expect(table['text/html']).toContain('<th>extra</th>');
    expect(table['text/html']).toContain('&lt;a&gt;');
    expect((await data('new Float32Array([1, 2, 3, NaN])'))['text/plain']).toContain(
      'min 1, max 3, mean 2, deviation 0.816497, 1 not finite',
    );
    expect((await data('new BigInt64Array(2)'))['text/plain']).toContain('BigInt64Array(2)');
    expect((await data('new Uint8Array(0)'))['text/plain']).toContain('Uint8Array(0)');
    expect(await data('({ data: [{ type: "bar", y: [1] }], layout: {} })')).toHaveProperty([
      'application/vnd.plotly.v1+json',
    ]);
  });

  it('shows circular values, throwing getters, throwing inspection and hostile proxies', async () => {
    expect((await data('const loop: any = {}; loop.self = loop; loop'))['text/plain']).toContain(
      '[Circular *1]',
    );
    expect((await data('({ get bad() { throw new Error("getter") } })'))['text/plain']).toContain(
      'bad: [Getter]',
    );
    expect((await data('[{ get bad() { throw new Error("getter") } }]'))['text/html']).toContain(
      'Error: getter',
    );
    expect(
      (await data('({ [Symbol.for("nodejs.util.inspect.custom")]() { throw new Error("custom") } })'))[
        'text/plain'
      ],
    ).toContain('inspection failed: Error: custom');
    expect(
      (await kernel.execute('new Proxy({}, { get() { throw new Error("trap") } })')).displays.at(-1)!.data[
        'text/plain'
      ],
    ).toBeDefined();
    expect((await data('json(loop)'))['application/json']).toEqual({ self: '[circular]' });
    const raw = await kernel.execute(
      'display({ "application/json": loop, "text/plain": "kept" }, { raw: true })',
    );
    expect(raw.displays[0]!.data['text/plain']).toContain('kept');
    expect(raw.displays[0]!.data['text/plain']).toContain('application/json is not shown');
  });

  it('shortens huge values with a note', async () => {
    const text = (await data('"x".repeat(5_000_000)'))['text/plain'];
    expect(text.length).toBeLessThan(250_000);
    expect(text).toContain('more characters');
  });
});

describe('input', () => {
  const answer = (values: string[]) => {
    kernel.onInput.length = 0;
    kernel.onInput.push((request) => {
      seen.push(request.content as never);
      kernel.send('stdin', 'input_reply', { status: 'ok', value: values.shift() ?? '' });
    });
  };
  const seen: { prompt: string; password: boolean }[] = [];

  it('waits for prompt, confirm and password, of any length', async () => {
    const long = '🎈'.repeat(100_000);
    answer(['Ada', '', 'y', 'secret', long]);
    const { result } = await kernel.execute(
      '[prompt("name? "), prompt("city?", "Paris"), confirm("sure?"), password("key?"), prompt("long").length]',
    );
    expect(result).toBe("[ 'Ada', 'Paris', true, 'secret', 200000 ]");
    expect(seen.map(({ prompt, password }) => [prompt, password])).toEqual([
      ['name? ', false],
      ['city?', false],
      ['sure? [y/N] ', false],
      ['key?', true],
      ['long', false],
    ]);
  });

  it('takes no answer that comes when nothing was asked', async () => {
    for (const value of ['early', 'twice']) kernel.send('stdin', 'input_reply', { status: 'ok', value });
    await sleep(300);
    const own = randomUUID();
    answer([own, own]);
    expect((await kernel.execute('prompt("1") + prompt("2")')).result).toBe(`'${own}${own}'`);
  });

  it('is refused with an error when the front end takes no questions', async () => {
    const { error } = await kernel.execute('prompt("name?")', { content: { allow_stdin: false } });
    expect(error!.evalue).toContain('takes no input');
  });
});
