/** A channel is configured by its own declaration in every mode: `pager` exists only in this test. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { defineKind } from '../../../alerting/notifier/channels/channel.ts';
import { kinds, variablesOf } from '../../../alerting/notifier/channels/channels.ts';
import { readChannelVariables } from '../../../stack/channel-variables.ts';
import { writeDockerFiles } from '../../../stack/docker/files.ts';
import { readSettings } from '../../../stack/settings.ts';
import { webUrl } from '../../../src/kit/settings.ts';
import { root } from '../../support/stack/sandbox.ts';

const pager = defineKind({
  kind: 'pager',
  settings: z.strictObject({ url: webUrl, owner: z.string() }),
  environment: { url: 'PAGER_URL', owner: 'PAGER_OWNER' },
  create: (name) => ({ name, deliver: () => Promise.resolve({ kind: 'delivered' }) }),
});
const variables = new Set(variablesOf([...kinds, pager]));
const given = { PAGER_URL: 'https://canary-pager', PAGER_OWNER: 'ops', PAGES: '3' };

test('the stack reads the variables of every kind from the notifier', () => {
  const read = readChannelVariables(root);
  for (const name of variablesOf(kinds)) expect(read).toContain(name);
  expect(read).toContain('DINGTALK_SECRET_FILE');
});

test('in docker mode the notifier gets the variables of a channel as files, the chat service does not', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'llamascope-channel-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const folders = { LLAMASCOPE_RUN_DIR: folder, LLAMASCOPE_DATA_DIR: path.join(folder, 'data') };
  writeDockerFiles(readSettings({ MODE: 'docker', ...folders }), given, {
    channelVariables: variables,
  });
  const read = (...parts: string[]) => readFileSync(path.join(folder, ...parts), 'utf8');
  expect(readdirSync(path.join(folder, 'notifier')).toSorted()).toEqual([
    'PAGER_OWNER',
    'PAGER_URL',
  ]);
  expect(read('notifier', 'PAGER_URL')).toBe('https://canary-pager');
  expect(read('notifier.env')).toContain("PAGER_URL_FILE='/run/secrets/PAGER_URL'");
  expect(read('notifier.env')).not.toMatch(/canary|PAGES/);
  expect(read('chat.env')).not.toContain('PAGE');
});
