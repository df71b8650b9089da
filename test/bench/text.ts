/**
 * English prompts, the same for every contender. A model answers them at length. Other seeds give other texts from the first
 * sentence on, so that contenders share only what a workload means them to share.
 */
import { createRandom } from '../support/random.ts';

/** Qwen2.5's tokenizer has a token for each word, digit and sign; some names have several. */
const countTokens = (text: string): number =>
  1.07 * (text.match(/\d|[A-Za-z]+|[.,]/g)?.length ?? 0);

const lists = {
  place: 'Lisbon|Kyoto|Nairobi|Oslo|Montreal|Hanoi|Valencia|Leipzig|Cusco|Bergen|Tbilisi|Perth',
  who: 'a baker|a nurse|the harbour master|a retired teacher|a young engineer|the gardener|a violinist|two sisters|the mayor|a tailor',
  adjective:
    'quiet|narrow|sturdy|curious|patient|bright|modest|ancient|careful|generous|stubborn|gentle',
  thing:
    'bridge|library|workshop|orchard|railway|lighthouse|market|school|bakery|garden|clock|ferry',
  action:
    'repaired|painted|measured|described|defended|rebuilt|inherited|sold|studied|photographed',
  reason:
    'the winter had been long|nobody else wanted to|the council had asked for it|the old plans were lost|the river rose every spring|visitors kept asking|it would save money|the children needed it',
  topic:
    'how bread rises|why the sky is blue|how a sailing boat moves against the wind|how vaccines work|why cities grow along rivers|how a piano makes sound|how bees find flowers|why metals rust|how a bicycle stays upright|how glaciers shape valleys|how paper is made|why leaves change colour',
  reader:
    'a curious child|a new colleague|a visitor from abroad|an impatient editor|a class of students|an old friend',
  duty: 'answers questions about opening hours|helps people to compare products|explains every invoice|books appointments|writes polite replies|checks orders that are late|collects ideas of customers|describes each service in plain words',
  rule: 'names the source of each number|asks back when a date is missing|avoids technical words|keeps names private|gives one example in every answer|mentions costs before benefits|writes in complete sentences|offers a second choice',
} as const satisfies Record<string, string>;

type Pick = (list: keyof typeof lists) => string;

const sentences = {
  story: (pick, number) =>
    `In ${1700 + number}, ${pick('who')} from ${pick('place')} ${pick('action')} the ${pick('adjective')} ${pick('thing')} because ${pick('reason')}.`,
  question: (pick, number) =>
    `Please explain ${pick('topic')} to ${pick('reader')}, in ${400 + number} words or more, with many examples and a short history.`,
  rules: (pick, number) =>
    `In case ${number} the ${pick('adjective')} assistant from ${pick('place')} ${pick('duty')} and always ${pick('rule')}.`,
} as const satisfies Record<string, (pick: Pick, number: number) => string>;

/** Sentences of one kind with about `tokens` tokens in all, at least one sentence. */
export function writeText(kind: keyof typeof sentences, tokens: number, seed: number): string {
  // Seeds in a row give similar first numbers.
  const random = createRandom(Math.imul(seed + 1, 0x9e3779b1));
  const below = (count: number) => Math.floor(random() * count);
  const pick: Pick = (list) => {
    const items = lists[list].split('|');
    return items[below(items.length)] ?? '';
  };
  let text = sentences[kind](pick, below(300));
  while (countTokens(text) + 12 < tokens) {
    text += ` ${sentences[kind](pick, below(300))}`;
  }
  return text;
}

/** A message of about `tokens` tokens that asks for a long answer. */
export function writeQuestion(tokens: number, seed: number): string {
  const question = writeText('question', 0, seed);
  const rest = tokens - countTokens(question);
  return rest < 12 ? question : `${writeText('story', rest, seed)} ${question}`;
}
