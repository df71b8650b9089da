/** For tests of the tap: a stand-in for the server, the service in front of it, and its telemetry. */
import { afterAll, beforeAll, beforeEach } from 'vitest';
import { startTelemetry } from '../../../otel/sdk.ts';
import { askThrough } from './ask.ts';
import { startStandIn, type Reply, type StandIn } from './stand-in.ts';
import { startTapApp, type TapApp } from './tap-app.ts';

export const prompt = '{"messages":[{"role":"user","content":"SECRET"}],\n "stream": true}';

/** Starts all before the tests of a file, and empties what they record before each. `server` and `tap` are set from then on. */
export function useTap() {
  const telemetry = startTelemetry({ serviceName: 'test', serviceVersion: '1', shareMillis: 0 });
  const world = {
    telemetry,
    server: undefined as unknown as StandIn,
    tap: undefined as unknown as TapApp,
    ask: (reply: Reply | 'cut', path?: string) =>
      askThrough(telemetry, { server: world.server, tap: world.tap, prompt }, reply, path),
  };
  beforeAll(async () => {
    world.server = await startStandIn();
    const options = { url: world.server.url, timeoutSeconds: 1, stallMillis: 300 };
    world.tap = await startTapApp(telemetry, options);
  });
  afterAll(() => {
    world.tap.close();
    world.server.close();
  });
  beforeEach(() => {
    world.server.asked = [];
    world.server.aborted = 0;
    world.tap.log.length = 0;
  });
  return world;
}
