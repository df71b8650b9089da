/** Statuses that a receiver of webhooks answers with. Another 2xx is delivered, another 5xx is sent again, another 4xx is dead. */
import type { VendorTable } from '../vendor-table.ts';

const statuses = 'https://www.rfc-editor.org/rfc/rfc9110.html';

export const table: VendorTable = {
  vendor: 'webhook',
  codeField: 'status',
  messageField: 'body',
  rows: [
    { code: 200, sentence: 'OK', meaning: 'delivered', source: `${statuses}#status.200` },
    { code: 400, sentence: 'Bad Request', meaning: 'content', source: `${statuses}#status.400` },
    {
      code: 401,
      sentence: 'Unauthorized',
      meaning: 'credentials',
      source: `${statuses}#status.401`,
    },
    { code: 403, sentence: 'Forbidden', meaning: 'credentials', source: `${statuses}#status.403` },
    {
      code: 404,
      sentence: 'Not Found',
      note: { en: 'as while a receiver is deployed', zh: '例如接收方正在部署' },
      meaning: 'their_fault',
      source: `${statuses}#status.404`,
    },
    {
      code: 408,
      sentence: 'Request Timeout',
      meaning: 'their_fault',
      source: `${statuses}#status.408`,
    },
    { code: 409, sentence: 'Conflict', meaning: 'their_fault', source: `${statuses}#status.409` },
    { code: 410, sentence: 'Gone', meaning: 'credentials', source: `${statuses}#status.410` },
    {
      code: 413,
      sentence: 'Content Too Large',
      meaning: 'content',
      source: `${statuses}#status.413`,
    },
    {
      code: 421,
      sentence: 'Misdirected Request',
      meaning: 'their_fault',
      source: `${statuses}#status.421`,
    },
    {
      code: 423,
      sentence: 'Locked',
      meaning: 'their_fault',
      source: 'https://www.rfc-editor.org/rfc/rfc4918.html#section-11.3',
    },
    {
      code: 425,
      sentence: 'Too Early',
      meaning: 'their_fault',
      source: 'https://www.rfc-editor.org/rfc/rfc8470.html#section-5.2',
    },
    {
      code: 429,
      sentence: 'Too Many Requests',
      note: { en: 'without Retry-After', zh: '不带 Retry-After' },
      meaning: 'slow_down',
      afterSeconds: 60,
      source: 'https://www.rfc-editor.org/rfc/rfc6585.html#section-4',
    },
    {
      code: 500,
      sentence: 'Internal Server Error',
      meaning: 'their_fault',
      source: `${statuses}#status.500`,
    },
    {
      code: 503,
      sentence: 'Service Unavailable',
      meaning: 'their_fault',
      source: `${statuses}#status.503`,
    },
  ],
};
