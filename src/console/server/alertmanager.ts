/** Alerts and silences of Alertmanager, over its API v2. Used by GET /api/alerts and the endpoints of silences. */
import { z } from 'zod';
import { askPeer } from './peers.ts';

const Labels = z.record(z.string(), z.string());

const ActiveAlert = z.object({
  fingerprint: z.string(),
  labels: Labels,
  annotations: Labels,
  startsAt: z.string(),
  receivers: z.array(z.object({ name: z.string() })),
  status: z.object({ silencedBy: z.array(z.string()), inhibitedBy: z.array(z.string()) }),
});

export type ActiveAlert = z.infer<typeof ActiveAlert>;

const StoredSilence = z.object({
  id: z.string(),
  createdBy: z.string(),
  comment: z.string(),
  endsAt: z.string(),
  status: z.object({ state: z.string() }),
});

export type StoredSilence = z.infer<typeof StoredSilence>;

/** Newest first. @throws ChatError `peer_unreachable` */
export async function readAlerts(url: string | undefined): Promise<ActiveAlert[]> {
  const alerts = await askPeer(
    { peer: 'alertmanager', url, path: '/api/v2/alerts' },
    z.array(ActiveAlert),
  );
  return alerts.toSorted((a, b) => Date.parse(b.startsAt) - Date.parse(a.startsAt));
}

/** Includes expired silences. @throws ChatError `peer_unreachable` */
export async function readSilences(url: string | undefined): Promise<StoredSilence[]> {
  return askPeer({ peer: 'alertmanager', url, path: '/api/v2/silences' }, z.array(StoredSilence));
}

/** @returns the id of the silence, which matches all labels of the alert. @throws ChatError `peer_unreachable` */
export async function postSilence(
  url: string | undefined,
  { labels }: ActiveAlert,
  { minutes, comment }: { minutes: number; comment: string },
): Promise<string> {
  const now = Date.now();
  const body = {
    matchers: Object.entries(labels).map(([name, value]) => ({ name, value, isRegex: false })),
    startsAt: new Date(now).toISOString(),
    endsAt: new Date(now + minutes * 60_000).toISOString(),
    createdBy: 'llamascope console',
    comment,
  };
  const answer = await askPeer(
    { peer: 'alertmanager', url, path: '/api/v2/silences', body },
    z.object({ silenceID: z.string() }),
  );
  return answer.silenceID;
}

/** Ends a silence now. @throws ChatError `peer_unreachable` */
export async function expireSilence(url: string | undefined, id: string): Promise<void> {
  const path = `/api/v2/silence/${encodeURIComponent(id)}`;
  await askPeer({ peer: 'alertmanager', url, path, method: 'DELETE' }, z.object({}));
}
