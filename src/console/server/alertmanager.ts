/** What fires and how to silence it, from Alertmanager's API v2. Used by the endpoints of alerts and silences. */
import { z } from 'zod';
import { askPeer } from './peers.ts';

const Labels = z.record(z.string(), z.string());

const FiringAlert = z.object({
  fingerprint: z.string(),
  labels: Labels,
  annotations: Labels,
  startsAt: z.string(),
  status: z.object({ silencedBy: z.array(z.string()), inhibitedBy: z.array(z.string()) }),
});

export type FiringAlert = z.infer<typeof FiringAlert>;

const KeptSilence = z.object({
  id: z.string(),
  createdBy: z.string(),
  comment: z.string(),
  endsAt: z.string(),
});

export type KeptSilence = z.infer<typeof KeptSilence>;

export interface Silence {
  /** Exactly these: the silence holds for one alert. */
  labels: Record<string, string>;
  startsAt: Date;
  endsAt: Date;
  comment: string;
}

/** In the order in which they began, the latest first. @throws ChatError `peer_unreachable` */
export async function readAlerts(url: string | undefined): Promise<FiringAlert[]> {
  const alerts = await askPeer(
    { peer: 'alertmanager', url, path: '/api/v2/alerts' },
    z.array(FiringAlert),
  );
  return alerts.toSorted((a, b) => Date.parse(b.startsAt) - Date.parse(a.startsAt));
}

/** Also those that are over. @throws ChatError `peer_unreachable` */
export async function readSilences(url: string | undefined): Promise<KeptSilence[]> {
  const question = { peer: 'alertmanager', url, path: '/api/v2/silences' } as const;
  return askPeer(question, z.array(KeptSilence));
}

/** @returns the silence's id. @throws ChatError `peer_unreachable` */
export async function postSilence(url: string | undefined, silence: Silence): Promise<string> {
  const { labels, startsAt, endsAt, comment } = silence;
  const body = {
    matchers: Object.entries(labels).map(([name, value]) => ({
      name,
      value,
      isRegex: false,
      isEqual: true,
    })),
    startsAt: startsAt.toISOString(),
    endsAt: endsAt.toISOString(),
    createdBy: 'llamascope console',
    comment,
  };
  const question = { peer: 'alertmanager', url, path: '/api/v2/silences', body } as const;
  return (await askPeer(question, z.object({ silenceID: z.string() }))).silenceID;
}
