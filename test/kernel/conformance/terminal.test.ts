// @module-tag process
import { realpathSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestKernel } from '../client.js';

let kernel: TestKernel;
let plain: TestKernel;
beforeAll(async () => {
  kernel = await TestKernel.start({ environment: { NO_COLOR: '', TERM: '' } });
  plain = await TestKernel.start({ environment: { NO_COLOR: '1' } });
});
afterAll(() => Promise.all([kernel.stop(), plain.stop()]));

describe('libraries that write for a terminal', () => {
  const looks =
    '[process.stdout.isTTY, process.stderr.isTTY, require("tty").isatty(1), process.stdout.hasColors(), process.stdout.columns > 60, process.env.TERM].join()';

  it('find one with colours, and none where NO_COLOR is set', async () => {
    expect((await kernel.execute(looks)).result).toBe("'true,true,true,true,true,xterm-256color'");
    expect((await plain.execute(looks)).result).toBe("'true,true,false,false,true,xterm-256color'");
  });

  it('have their progress shown in one line, by whichever means they move', async () => {
    const { stdout } = await kernel.execute(
      `import readline from 'node:readline';
       process.stdout.write('0 of 10'); process.stdout.clearLine(0); process.stdout.cursorTo(0); process.stdout.write('5');
       readline.moveCursor(process.stdout, -1, 0); process.stdout.write('9'); console.log();`,
    );
    expect(stdout.slice(stdout.lastIndexOf('\r') + 1)).toBe('9\n');
    const child = await kernel.execute(
      'require("child_process").execSync("test -t 1 && echo yes || echo no").toString()',
    );
    expect(child.result).toBe("'no\\n'");
  });

  it('leave what console prints without colours', async () => {
    expect((await kernel.execute('console.log({ a: 1, b: ["x"] })')).stdout).toBe("{ a: 1, b: [ 'x' ] }\n");
  });

  it('clear the cell’s output with console.clear()', async () => {
    const { messages } = await kernel.execute('console.log("a"); console.clear(); console.log("b")');
    expect(
      messages
        .filter(({ type }) => type === 'stream' || type === 'clear_output')
        .map(({ type, content }) => (type === 'stream' ? content.text : content)),
    ).toEqual(['a\n', { wait: true }, 'b\n']);
  });

  it('that go to lines above are shown line by line, with a hint', async () => {
    const { stdout, stderr } = await kernel.execute('console.log("one\\ntwo\\x1b[1A\\x1b[1Gthree")');
    expect(stdout).toContain('one');
    expect(stdout).toContain('three');
    expect(stderr).toMatch(/^\n\[fovea\] a program moves the cursor/);
  });
});

describe('readline', () => {
  const open = (module: string) =>
    `import readline from 'node:${module}';\nconst rl = readline.createInterface({ input: process.stdin, output: process.stdout });\n`;

  it.each([
    ['a promise', `${open('readline/promises')}const a = await rl.question('name? ');\nrl.close(); a`],
    [
      'a callback',
      `${open('readline')}const a = await new Promise((got) => rl.question('name? ', got));\nrl.close(); a`,
    ],
    [
      'a promise made of it',
      `${open('readline')}import { promisify } from 'node:util';\nconst a = await promisify(rl.question).call(rl, 'name? ');\nrl.close(); a`,
    ],
  ])('asks the front end and answers by %s', async (_, code) => {
    const asked: unknown[] = [];
    kernel.onInput.push(({ content, header }) => {
      asked.push(content);
      kernel.send(
        'stdin',
        'input_reply',
        { status: 'ok', value: 'Ada' },
        { header: { ...header, msg_type: 'input_reply' } },
      );
    });
    expect((await kernel.execute(code)).result).toBe("'Ada'");
    expect(asked).toEqual([{ prompt: 'name? ', password: false }]);
    kernel.onInput.length = 0;
  });

  it('reads other input itself', async () => {
    const { result } = await kernel.execute(
      `import readline from 'node:readline/promises';\nimport { PassThrough } from 'node:stream';
       const input = new PassThrough(); const rl = readline.createInterface({ input, output: new PassThrough() });
       setTimeout(() => input.write('typed\\n'), 20); const a = await rl.question('?'); rl.close(); a`,
    );
    expect(result).toBe("'typed'");
  });

  it('says so where the front end takes no questions', async () => {
    const { error } = await kernel.execute(`${open('readline/promises')}await rl.question('name? ')`, {
      content: { allow_stdin: false },
    });
    expect(error?.evalue).toContain('allow_stdin');
  });
});

describe('%%bash', () => {
  it('runs where the cells are', async () => {
    await kernel.execute(`const home = process.cwd(); process.chdir(${JSON.stringify(tmpdir())})`);
    expect((await kernel.execute('%%bash\npwd')).stdout).toBe(`${realpathSync(tmpdir())}\n`);
    await kernel.execute('process.chdir(home)');
  });
});
