/** Replies of mail servers. Another 4xx is sent again, another 5xx is dead; each for the recipient that it is about. */
import type { VendorTable } from '../vendor-table.ts';

const smtp = 'https://www.rfc-editor.org/rfc/rfc5321.html#section-4.2.3';
const auth = 'https://www.rfc-editor.org/rfc/rfc4954.html#section-6';

export const table: VendorTable = {
  vendor: 'SMTP',
  codeField: 'reply',
  messageField: 'text',
  rows: [
    { code: 250, sentence: 'OK', meaning: 'delivered', source: smtp },
    { code: 421, sentence: 'Service not available', meaning: 'their_fault', source: smtp },
    {
      code: 450,
      sentence: 'Mailbox unavailable',
      note: { en: 'as for greylisting', zh: '例如灰名单' },
      meaning: 'their_fault',
      source: smtp,
    },
    { code: 451, sentence: 'Local error in processing', meaning: 'their_fault', source: smtp },
    { code: 452, sentence: 'Insufficient system storage', meaning: 'their_fault', source: smtp },
    {
      code: 454,
      sentence: 'Temporary authentication failure',
      meaning: 'their_fault',
      source: auth,
    },
    { code: 503, sentence: 'Bad sequence of commands', meaning: 'their_fault', source: smtp },
    { code: 530, sentence: 'Authentication required', meaning: 'credentials', source: auth },
    {
      code: 535,
      sentence: 'Authentication credentials invalid',
      meaning: 'credentials',
      source: auth,
    },
    {
      code: 550,
      sentence: 'Mailbox unavailable, no access, or policy',
      meaning: 'credentials',
      source: smtp,
    },
    { code: 552, sentence: 'Exceeded storage allocation', meaning: 'content', source: smtp },
    { code: 553, sentence: 'Mailbox name not allowed', meaning: 'credentials', source: smtp },
    { code: 554, sentence: 'Transaction failed', meaning: 'content', source: smtp },
  ],
};
