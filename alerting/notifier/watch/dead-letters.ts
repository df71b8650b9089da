/** Tells the other channels about a notification that one channel will never get. Started by `main.ts`. */
import type { Intake } from '../intake.ts';
import type { Notifications, Outbox } from '../outbox/outbox.ts';
import { ownPayload } from '../webhook.ts';

/** A channel with wrong credentials refuses everything, so the other channels get one message about it in this time. */
const quietMillis = 3_600_000;
const maxNames = 5;

export function createDeadLetters({
  marks,
  intake,
  now,
}: {
  marks: Outbox['marks'];
  intake: Intake;
  now: () => number;
}) {
  return (notifications: Notifications, detail: string): void => {
    const [{ channel, id, payload }] = notifications;
    // An alert of the notifier that is refused itself tells nobody, so that two channels do not go on about one another.
    if (payload.origin === 'notifier') return;
    const mark = `dead_told ${channel}`;
    const at = now();
    if (Math.abs(at - (marks.get(mark) ?? 0)) < quietMillis) return;
    const alerts = notifications.flatMap((notification) => notification.payload.alerts);
    const names = [...new Set(alerts.map(({ labels }) => labels['alertname'] ?? 'alert'))];
    const listed = names.slice(0, maxNames).join(', ');
    const alert = {
      status: 'firing' as const,
      labels: { alertname: 'NotificationDead', severity: 'warning', channel },
      annotations: {
        summary: `Channel ${channel} did not get a notification`,
        description: `${listed}: ${detail}. It is kept: GET /api/notifications?state=dead lists it, and POST /api/notifications/${id}/resend sends it again.`,
        summary_zh: `渠道 ${channel} 有通知未送达`,
        description_zh: `${listed}：${detail}。通知已保留：用 GET /api/notifications?state=dead 查看，用 POST /api/notifications/${id}/resend 重发。`,
      },
      startsAt: new Date(at).toISOString(),
      fingerprint: `notifier-dead-${id}`,
    };
    intake(ownPayload('notifier', `notifier/dead/${id}`, [alert]), 'notifier', channel);
    marks.set(mark, at);
  };
}
