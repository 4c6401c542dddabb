// @module-tag process
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { Command } from 'commander';
import { expect, it } from 'vitest';
import { addCommands } from '../../../kernel/src/cli/command-table.js';
import { entry, fovea } from './run-fovea.js';

/** The modules of commands that `fovea` loads, by the coverage that Node writes of what it loaded. */
async function loadedBy(...args: string[]): Promise<readonly string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'fovea-help-'));
  const env = { ...process.env, NODE_V8_COVERAGE: folder };
  await promisify(execFile)(process.execPath, [entry, ...args], { env });
  const scripts = readdirSync(folder).flatMap(
    (file) => (JSON.parse(readFileSync(join(folder, file), 'utf8')) as { result: { url: string }[] }).result,
  );
  rmSync(folder, { recursive: true });
  expect(scripts.some(({ url }) => url.endsWith('/cli/main.js'))).toBe(true);
  return scripts.flatMap(({ url }) => (url.includes('/cli/commands/') ? [basename(url)] : []));
}

it('fovea --help names every command with its argument and what it does, and loads none', async () => {
  const { code, stdout } = await fovea('--help');
  expect(code).toBe(0);
  const text = stdout.replace(/\s+/g, ' ');
  const program = new Command();
  await addCommands(program, () => false);
  for (const command of program.commands) {
    const usage = command.createHelp().subcommandTerm(command);
    expect(text).toContain(` ${usage} ${command.description()} `);
  }
  expect(program.commands.length).toBeGreaterThan(20);
  for (const args of [['--help'], ['-h'], ['help'], ['--version']])
    expect(await loadedBy(...args)).toEqual([]);
});

it.each([
  ['list --help', 'install.js'],
  ['help doctor', 'doctor.js'],
])('fovea %s loads that command alone, and names its options', async (line, file) => {
  const args = line.split(' ');
  expect(await loadedBy(...args)).toEqual([file]);
  expect((await fovea(...args)).stdout).toMatch(/^ {2}--(user|json) /m);
});

it('every command says what its argument is, and takes options or has commands', async () => {
  const program = new Command();
  await addCommands(program, () => true);
  for (const { registeredArguments, options, commands } of program.commands) {
    for (const { description } of registeredArguments) expect(description).toMatch(/\w/);
    expect(options.length + commands.length).toBeGreaterThan(0);
  }
});
