/**
 * Every sentence that `make up`, `down`, `status` and `logs` say, in English and Chinese, and the error that carries one
 * of them to a person. The language follows the terminal's locale.
 */
import type { Text } from '../otel/text.ts';

type Environment = Record<string, string | undefined>;

type Language = keyof Text;

/** `zh` where the locale of messages is Chinese, by the order that POSIX gives the variables. */
export function languageOf(env: Environment): Language {
  const locale = env['LC_ALL'] || env['LC_MESSAGES'] || env['LANG'] || '';
  return locale.startsWith('zh') ? 'zh' : 'en';
}

const language = languageOf(process.env);

export function say(message: Text): void {
  console.log(message[language]);
}

/** What a person can put right. It is told without a stack trace. */
export class StackError extends Error {
  constructor(message: Text, options?: ErrorOptions) {
    super(message[language], options);
    this.name = 'StackError';
  }
}

/** Runs a command line's work; what a person can put right becomes a sentence on stderr and exit code 1. */
export async function runCommand(work: () => Promise<number>): Promise<void> {
  try {
    process.exitCode = await work();
  } catch (error) {
    const told = asStackError(error);
    if (told === undefined) throw error;
    console.error(told.message);
    process.exitCode = 1;
  }
}

function asStackError(error: unknown): StackError | undefined {
  if (error instanceof StackError) return error;
  const { code, path } = error as NodeJS.ErrnoException;
  if (code === undefined || path === undefined) return undefined;
  if (code === 'ENOSPC') return new StackError(messages.diskFull(path));
  const refused = code === 'EACCES' || code === 'EPERM' || code === 'EROFS';
  return refused ? new StackError(messages.noPermission(path, code)) : undefined;
}

export const messages = {
  settingsWrong: (problems: string[]) => ({
    en: `The settings are wrong:\n  ${problems.join('\n  ')}`,
    zh: `设置有误：\n  ${problems.join('\n  ')}`,
  }),
  noDocker: (reason: string) => ({
    en: `MODE=docker: expected a Docker engine with Compose 2.24 or later, got: ${reason}. Start it, or run \`make up MODE=native\`.`,
    zh: `MODE=docker：需要 Docker 引擎与 Compose 2.24 或更高版本，得到：${reason}。请启动它，或运行 make up MODE=native。`,
  }),
  startingContainers: () => ({
    en: 'Starting the stack in containers (`make up MODE=native` runs it without)',
    zh: '以容器方式启动（不用容器：make up MODE=native）',
  }),
  containerFailed: (v: { name: string; state: string; log: string }) => ({
    en: `${v.name} is ${v.state}. The end of its log:\n${v.log}`,
    zh: `${v.name} 的状态为 ${v.state}。其日志末尾：\n${v.log}`,
  }),
  containersFailed: () => ({
    en: 'The containers did not all come up: what is above says why. Where an image cannot be pulled, `make up PROFILE=minimal` needs fewer of them, `make up MODE=native` none.',
    zh: '容器未能全部就绪：原因见上方。若无法拉取镜像，make up PROFILE=minimal 需要的镜像较少，make up MODE=native 不需要镜像。',
  }),
  grafanaPassword: (password: string, file: string) => ({
    en: `Grafana: user admin, password ${password} (shown this once; kept in ${file})`,
    zh: `Grafana：用户 admin，密码 ${password}（只显示这一次；保存在 ${file}）`,
  }),
  needsLinux: (platform: string) => ({
    en: `Native mode: expected Linux, got ${platform}. Run it in a Linux virtual machine or container.`,
    zh: `原生方式需要 Linux，当前是 ${platform}。请在 Linux 虚拟机或容器中运行。`,
  }),
  otherCommandAtWork: () => ({
    en: 'Another `make` is at work on this stack, waiting for it.',
    zh: '另一个 make 正在操作此服务栈，等待它结束。',
  }),
  portTaken: (v: {
    port: number;
    name: string;
    holder: string | undefined;
    variable: string;
    freePort: number;
  }) => ({
    en: `Port ${v.port}, which ${v.name} wants, is in use by ${v.holder ?? 'another process'}. Stop that, or move ours: ${v.variable}=${v.freePort} make up`,
    zh: `${v.name} 需要的端口 ${v.port} 已被${v.holder === undefined ? '其他进程' : ` ${v.holder} `}占用。请停掉它，或换一个端口：${v.variable}=${v.freePort} make up`,
  }),
  portRefused: (v: {
    port: number;
    name: string;
    host: string;
    code: string;
    variable: string;
  }) => ({
    en: `${v.name} cannot listen on ${v.host}:${v.port} (${v.code}). Move it with ${v.variable}; ports below 1024 are root's.`,
    zh: `${v.name} 无法监听 ${v.host}:${v.port}（${v.code}）。请用 ${v.variable} 换一个端口；1024 以下的端口只有 root 可用。`,
  }),
  alreadyRunning: (pid: number) => ({
    en: `The stack is up already. Its supervisor is process ${pid}.`,
    zh: `服务栈已在运行，supervisor 的进程号为 ${pid}。`,
  }),
  settingsDiffer: (names: string[]) => ({
    en: `It runs with other settings than now asked for (${names.join(', ')}): \`make down && make up\` applies these.`,
    zh: `它运行时的设置与当前不同（${names.join('、')}）：运行 make down && make up 使之生效。`,
  }),
  cleaningLeftovers: (names: string[]) => ({
    en: `Stopping what an earlier run left behind: ${names.join(', ')}`,
    zh: `正在停止上次遗留的进程：${names.join('、')}`,
  }),
  notOurs: (pid: number) => ({
    en: `Process ${pid} belongs to another user. Run this as the user that ran \`make up\`.`,
    zh: `进程 ${pid} 属于其他用户。请用运行 make up 的那个用户执行。`,
  }),
  noModel: () => ({
    en: 'No model, so nothing was started: what is above says why.',
    zh: '没有模型，未启动任何进程：原因见上方。',
  }),
  starting: (folder: string) => ({
    en: `Starting the stack as plain processes; logs in ${folder}`,
    zh: `以普通进程方式启动；日志在 ${folder}`,
  }),
  healthy: (name: string, seconds: number) => ({
    en: `  ${name}: healthy after ${seconds} s`,
    zh: `  ${name}：${seconds} 秒后健康`,
  }),
  stillWaiting: (names: string[], seconds: number) => ({
    en: `  ... ${seconds} s, waiting for ${names.join(', ')}`,
    zh: `  ... ${seconds} 秒，等待 ${names.join('、')}`,
  }),
  engineIs: (state: string, seconds: number) => ({
    en: `  ... ${seconds} s, the model is ${state}`,
    zh: `  ... ${seconds} 秒，模型状态：${state}`,
  }),
  supervisorGone: (log: string) => ({
    en: `The supervisor ended while starting. Its last words:\n${log}`,
    zh: `supervisor 在启动时退出。最后的日志：\n${log}`,
  }),
  childFailed: (v: { name: string; how: string; logFile: string; log: string }) => ({
    en: `${v.name} did not start (${v.how}). The end of ${v.logFile}:\n${v.log}`,
    zh: `${v.name} 未能启动（${v.how}）。${v.logFile} 的末尾：\n${v.log}`,
  }),
  neverHealthy: (names: string[], seconds: number) => ({
    en: `Not healthy within ${seconds} s: ${names.join(', ')}. \`make logs\` may say why.`,
    zh: `${seconds} 秒内未就绪：${names.join('、')}。make logs 可能说明原因。`,
  }),
  stoppedAgain: () => ({
    en: 'What was started has been stopped again.',
    zh: '已启动的部分已重新停止。',
  }),
  notReady: () => ({
    en: 'Everything runs, but the model is not loaded yet: `make status` and `make logs NAME=chat` tell more.',
    zh: '各进程已运行，但模型尚未加载完成：见 make status 与 make logs NAME=chat。',
  }),
  serving: (title: string) => ({ en: `Model: ${title}`, zh: `模型：${title}` }),
  servingDemo: () => ({
    en: 'Model: the built-in DEMO, which says one sentence only. `make model`, then `make down && make up`, serves the real one.',
    zh: '模型：内置演示模型，只会说一句话。运行 make model，再 make down && make up 即可使用真实模型。',
  }),
  tryNext: () => ({ en: 'Try next:', zh: '接下来可以：' }),
  fourQueries: () => ({
    en: 'Requests by status, their p95, inference time and memory, as graphs in Prometheus:',
    zh: '在 Prometheus 中查看图表：各状态码的请求速率、p95 延迟、推理耗时、内存：',
  }),
  isDown: () => ({ en: 'The stack is down.', zh: '服务栈未在运行。' }),
  supervisorDead: (names: string[]) => ({
    en: `The supervisor is gone${names.length === 0 ? '' : `, ${names.join(', ')} left behind`}: nothing is restarted or watched. \`make up\` puts it right, \`make down\` clears it away.`,
    zh: `supervisor 已不在${names.length === 0 ? '' : `，遗留进程：${names.join('、')}`}：没有进程被监护。make up 可恢复，make down 可清理。`,
  }),
  stopping: (pid: number) => ({
    en: `Stopping (supervisor pid ${pid}); running answers may finish`,
    zh: `正在停止（supervisor pid ${pid}）；进行中的回答可以完成`,
  }),
  stillStopping: (names: string[], seconds: number) => ({
    en: `  ... ${seconds} s, ${names.join(', ')} still running`,
    zh: `  ... ${seconds} 秒，仍在运行：${names.join('、')}`,
  }),
  stopped: () => ({
    en: 'The stack is down, nothing is left running.',
    zh: '服务栈已停止，没有遗留进程。',
  }),
  noLogs: (folder: string) => ({
    en: `No logs in ${folder} yet: run \`make up\` first.`,
    zh: `${folder} 中还没有日志：请先运行 make up。`,
  }),
  noPermission: (path: string, code: string) => ({
    en: `${path}: expected to be able to write it, got ${code}. Another user (root, by sudo?) may have made it: \`sudo chown -R $(id -un) .\` gives the checkout back.`,
    zh: `${path}：需要写权限，得到 ${code}。它可能由其他用户（例如 sudo 的 root）创建：sudo chown -R $(id -un) . 可以收回。`,
  }),
  diskFull: (path: string) => ({
    en: `${path}: the disk is full. Free some space, then run make again.`,
    zh: `${path}：磁盘已满。请清理空间后重试。`,
  }),
  unknownCommand: (known: string[], given: string) => ({
    en: `stack/up.ts: expected one of ${known.join(', ')}, got "${given}"`,
    zh: `stack/up.ts：应为 ${known.join('、')} 之一，收到“${given}”`,
  }),
  unknownLog: (name: string, known: string[]) => ({
    en: `NAME: expected one of ${known.join(', ')}, got "${name}"`,
    zh: `NAME：应为 ${known.join('、')} 之一，收到“${name}”`,
  }),
  noSpace: (v: { folder: string; freeMegabytes: number; neededMegabytes: number }) => ({
    en: `Disk: expected ${v.neededMegabytes} MB free in ${v.folder}, found ${v.freeMegabytes} MB. Free some, then run make again.`,
    zh: `磁盘：${v.folder} 需要 ${v.neededMegabytes} MB 可用空间，现有 ${v.freeMegabytes} MB。请清理后重试。`,
  }),
  fetchingTools: (names: string[]) => ({
    en: `Not on PATH: ${names.join(', ')}. Unpacking Debian's packages into .tools/ (45 MB to fetch, nothing is installed)`,
    zh: `PATH 中没有 ${names.join('、')}。将 Debian 软件包解包到 .tools/（下载 45 MB，不安装到系统）`,
  }),
  fetchingChromium: () => ({
    en: "No Chromium on PATH. Unpacking Debian's into .tools/ (100 to 170 MB to fetch, nothing is installed)",
    zh: 'PATH 中没有 Chromium。将 Debian 的软件包解包到 .tools/（下载 100 至 170 MB，不安装到系统）',
  }),
  step: (what: string, seconds: number) => ({
    en: `  ... ${seconds} s, ${what}`,
    zh: `  ... ${seconds} 秒，${what}`,
  }),
  toolsMissing: (names: string[], reason: string) => ({
    en: `${names.join(', ')}: expected on PATH, found none, and Debian's packages could not be had (${reason}). Put the releases of https://prometheus.io/download on PATH, or run \`sudo apt-get install prometheus prometheus-alertmanager\`, then make again.`,
    zh: `PATH 中没有 ${names.join('、')}，也无法取得 Debian 软件包（${reason}）。请将 https://prometheus.io/download 的发行版放入 PATH，或运行 sudo apt-get install prometheus prometheus-alertmanager，然后重试。`,
  }),
  chromiumMissing: (reason: string) => ({
    en: `chromium: expected on PATH, found none, and Debian's package could not be had (${reason}). Put Chromium or Chrome on PATH, or run \`sudo apt-get install chromium\`, then make again.`,
    zh: `PATH 中没有 chromium，也无法取得 Debian 软件包（${reason}）。请将 Chromium 或 Chrome 放入 PATH，或运行 sudo apt-get install chromium，然后重试。`,
  }),
} as const;
