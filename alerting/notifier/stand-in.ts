/**
 * `make robot`, or `node alerting/notifier/stand-in.ts dingtalk|wecom|feishu [--port 8090] [--secret SEC…] [--keyword word]`: starts a
 * robot that behaves as the vendor's: signature, keyword, sizes, rates and errors. It prints its settings and every message that it
 * accepts, so that a set-up can be tried without a group.
 */
import { parseArgs } from 'node:util';
import { startDingTalkRobot } from './channels/dingtalk/stand-in.ts';
import { startFeishuRobot } from './channels/feishu/stand-in.ts';
import { startWeComRobot } from './channels/wecom/stand-in.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    port: { type: 'string', default: '8090' },
    secret: { type: 'string', default: 'SECtest' },
    keyword: { type: 'string', default: '' },
  },
});
const options = { port: Number(values.port), keyword: values.keyword };
const starts = new Map([
  ['dingtalk', () => startDingTalkRobot(values.secret, options)],
  ['wecom', () => startWeComRobot(options)],
  ['feishu', () => startFeishuRobot(values.secret, options)],
]);
const [vendor = ''] = positionals;
const start = starts.get(vendor);
const print = (line: string): void => void process.stdout.write(`${line}\n`);
if (start === undefined) {
  print(`expected one of ${[...starts.keys()].join(', ')}, got "${vendor}"`);
  process.exitCode = 2;
} else {
  const robot = await start();
  const name = vendor.toUpperCase();
  print(
    `${name}_URL='${robot.url}'${vendor === 'wecom' ? '' : ` ${name}_SECRET='${values.secret}'`}`,
  );
  let shown = 0;
  robot.beforeAnswer = () => {
    for (const { title, text } of robot.received.slice(shown)) print(`\n${title}\n${text}`);
    shown = robot.received.length;
  };
}
