/** The models of the server behind the tap, which are labels of metrics. */
import { afterEach, expect, test, vi } from 'vitest';
import { createBackend } from '../../../src/tap/backend.ts';
import { startStandIn } from '../../support/tap/stand-in.ts';

afterEach(() => vi.useRealTimers());

test('a server whose list changes gets 20 labels in all', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const standIn = await startStandIn();
  const named = (from: number) => Array.from({ length: 15 }, (_, index) => `m${from + index}`);
  standIn.models = named(0);
  const labels: string[] = [];
  const backend = createBackend({
    url: standIn.url,
    key: undefined,
    timeoutSeconds: 5,
    onModel: (label) => labels.push(label),
    log: { info: () => undefined },
  });
  await vi.waitFor(() => expect(labels).toHaveLength(15));
  standIn.models = named(15);
  await vi.advanceTimersByTimeAsync(5000);
  await vi.waitFor(() => expect(backend.status().models).toContain('m15'));
  expect(labels).toHaveLength(20);
  expect(['m0', 'm15', 'm19', 'm20'].map(backend.labelOf)).toEqual([
    'other',
    'm15',
    'm19',
    'other',
  ]);
  backend.stop();
  standIn.close();
});
