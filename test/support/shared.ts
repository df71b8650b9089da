/**
 * Services that test files share for a whole run. Other files use them at the same time, so tests only read from them, and
 * expect no exact counts. A test that stops, kills or configures a service starts its own.
 */
import { inject } from 'vitest';
import { until } from './until.ts';
import type { SharedServices } from './shared-services.ts';

/** @throws Error when the service did not start. */
export async function shared<Name extends keyof SharedServices>(
  name: Name,
): Promise<SharedServices[Name]> {
  const answer = await fetch(`${inject('sharedServices')}/${name}`);
  if (!answer.ok) throw new Error(await answer.text());
  return (await answer.json()) as SharedServices[Name];
}

/** Waits until the generation of a request has ended. @returns its reason, from its trace: exact beside the requests of other files. */
export async function reasonOf(url: string, traceparent: string | null): Promise<string> {
  const traceId = traceparent?.split('-')[1];
  let reason: string | undefined;
  await until(async () => {
    const trace = await (await fetch(`${url}/api/traces/${traceId}`)).text();
    reason = /"inference\.reason","value":\{"stringValue":"(\w+)"/.exec(trace)?.[1];
    return reason !== undefined;
  });
  return reason!;
}
