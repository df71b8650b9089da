/** Every message of `make up`, `down`, `status` and `logs` in both languages. `terminal.ts` prints them. */
import type { Text } from '../otel/text.ts';
import { problemInChinese } from '../src/kit/problem-in-chinese.ts';

export const messages = {
  settingsWrong: (problems: readonly string[]) => ({
    en: `Invalid settings:\n  ${problems.join('\n  ')}`,
    zh: `设置有误：\n  ${problems.map(problemInChinese).join('\n  ')}`,
  }),
  unknownCommand: (known: string[], given: string) => ({
    en: `stack/up.ts: expected one of ${known.join(', ')}, got "${given}"`,
    zh: `stack/up.ts 的命令无效：“${given}”。可选值：${known.join('、')}`,
  }),
  unknownLog: (name: string, known: string[]) => ({
    en: `NAME: expected one of ${known.join(', ')}, got "${name}"`,
    zh: `NAME 的取值无效：“${name}”。可选值：${known.join('、')}`,
  }),
  needsLinux: (platform: string) => ({
    en: `Native mode needs Linux, got ${platform}. Start Docker, or use a Linux virtual machine.`,
    zh: `本机进程模式需要 Linux，当前系统为 ${platform}。请启动 Docker，或使用 Linux 虚拟机。`,
  }),
  noDocker: (reason: string) => ({
    en: `MODE=docker: expected a Docker engine with Compose 2.24 or later, got: ${reason}. Start Docker, or run \`make up MODE=native\`.`,
    zh: `MODE=docker 需要 Docker 引擎与 Compose 2.24 及以上，检测结果：${reason}。请启动 Docker，或运行 make up MODE=native。`,
  }),
  noPermission: (path: string, code: string) => ({
    en: `${path}: no write permission (${code}). If another user (root, by sudo?) owns the checkout, run \`sudo chown -R $(id -un) .\``,
    zh: `${path}：没有写权限（${code}）。如果此目录属于其他用户（例如由 sudo 创建），请运行 sudo chown -R $(id -un) .`,
  }),
  diskFull: (path: string) => ({
    en: `${path}: the disk is full. Free some space, then run make again.`,
    zh: `${path}：磁盘已满。请清理空间后重试。`,
  }),
  noSpace: (v: { folder: string; freeMegabytes: number; neededMegabytes: number }) => ({
    en: `${v.folder}: expected ${v.neededMegabytes} MB of free disk space, got ${v.freeMegabytes} MB. Free some space, then run make again.`,
    zh: `${v.folder}：需要 ${v.neededMegabytes} MB 可用磁盘空间，实际为 ${v.freeMegabytes} MB。请清理空间后重试。`,
  }),
  waitingForMake: () => ({
    en: 'Another `make` is running here. Waiting for it to finish.',
    zh: '另一个 make 正在运行，正在等待它结束。',
  }),

  portTaken: (v: {
    port: number;
    name: string;
    holder: { program: string; pid: number } | undefined;
    variable: string;
    freePort: number;
  }) => ({
    en: `Port ${v.port} (${v.name}) is in use by ${v.holder === undefined ? 'another process' : `${v.holder.program} (pid ${v.holder.pid})`}. Stop that process, or choose another port: ${v.variable}=${v.freePort} make up`,
    zh: `端口 ${v.port}（${v.name}）已被${v.holder === undefined ? '其他进程' : ` ${v.holder.program}（pid ${v.holder.pid}）`}占用。请停止该进程，或更换端口：${v.variable}=${v.freePort} make up`,
  }),
  portRefused: (v: {
    port: number;
    name: string;
    host: string;
    code: string;
    variable: string;
  }) => ({
    en: `${v.name} cannot listen on ${v.host}:${v.port} (${v.code}). Correct the host, or change ${v.variable}: ports below 1024 need root.`,
    zh: `${v.name} 无法监听 ${v.host}:${v.port}（${v.code}）。请更正监听地址，或修改 ${v.variable}：1024 以下的端口需要 root 权限。`,
  }),
  fetchingTools: (names: string[]) => ({
    en: `Not on PATH: ${names.join(', ')}. Unpacking Debian's packages into .tools/ (45 MB download, nothing is installed)`,
    zh: `PATH 中没有 ${names.join('、')}。正在将 Debian 软件包解压到 .tools/（下载 45 MB，不安装到系统）`,
  }),
  toolsMissing: (names: string[], reason: string) => ({
    en: `Not on PATH: ${names.join(', ')}. Debian's packages could not be fetched (${reason}). Put the releases of https://prometheus.io/download on PATH, or run \`sudo apt-get install prometheus prometheus-alertmanager\`, then run make again.`,
    zh: `PATH 中没有 ${names.join('、')}，Debian 软件包也无法下载（${reason}）。请将 https://prometheus.io/download 的发行版放入 PATH，或运行 sudo apt-get install prometheus prometheus-alertmanager，然后重试。`,
  }),
  noModel: () => ({
    en: 'Nothing was started: no model is available, for the reason above.',
    zh: '未启动任何进程：没有可用的模型，原因见上方。',
  }),

  startingContainers: () => ({
    en: 'Starting the stack in containers (without containers: `make up MODE=native`)',
    zh: '正在以容器方式启动（不用容器：make up MODE=native）',
  }),
  containerFailed: (v: { name: string; state: string; log: string }) => ({
    en: `${v.name} is ${v.state}. The end of its log:\n${v.log}`,
    zh: `${v.name} 的状态为 ${v.state}，日志的最后几行：\n${v.log}`,
  }),
  containersFailed: () => ({
    en: 'Not all containers became healthy, for the reason above. If an image cannot be pulled: `make up PROFILE=minimal` needs fewer images, `make up MODE=native` none.',
    zh: '部分容器未能就绪，原因见上方。如果无法拉取镜像：make up PROFILE=minimal 只需要较少的镜像，make up MODE=native 不需要镜像。',
  }),
  grafanaPassword: (password: string, file: string) => ({
    en: `Grafana: user admin, password ${password} (shown only now, stored in ${file})`,
    zh: `Grafana：用户名 admin，密码 ${password}（仅显示这一次，保存在 ${file}）`,
  }),

  alreadyRunning: (pid: number) => ({
    en: `The stack is already running (supervisor pid ${pid}).`,
    zh: `整套服务已在运行（守护进程 pid ${pid}）。`,
  }),
  restarting: (name: string, changed: string[]) => ({
    en: `Restarting ${name}, because it changed: ${changed.join(', ')}`,
    zh: `正在重启 ${name}，因为有变化：${changed.join('、')}`,
  }),
  adding: (name: string) => ({ en: `Starting ${name}`, zh: `正在启动 ${name}` }),
  removing: (name: string) => ({ en: `Stopping ${name}`, zh: `正在停止 ${name}` }),
  stoppingLeftovers: (names: string[]) => ({
    en: `Stopping processes that an earlier run left behind: ${names.join(', ')}`,
    zh: `正在停止上次运行遗留的进程：${names.join('、')}`,
  }),
  starting: (folder: string) => ({
    en: `Starting the stack as plain processes. Logs: ${folder}`,
    zh: `正在以本机进程方式启动，日志目录：${folder}`,
  }),
  healthy: (name: string, seconds: number) => ({
    en: `  ${name}: healthy after ${seconds} s`,
    zh: `  ${name}：已就绪（用时 ${seconds} 秒）`,
  }),
  waitingFor: (names: string[], seconds: number) => ({
    en: `  ... ${seconds} s, waiting for ${names.join(', ')}`,
    zh: `  ... ${seconds} 秒，等待 ${names.join('、')}`,
  }),
  modelState: (state: Text, seconds: number) => ({
    en: `  ... ${seconds} s, chat service: ${state.en}`,
    zh: `  ... ${seconds} 秒，对话服务：${state.zh}`,
  }),
  step: (what: string, seconds: number) => ({
    en: `  ... ${seconds} s, ${what}`,
    zh: `  ... ${seconds} 秒，${what}`,
  }),
  supervisorFailed: (log: string) => ({
    en: `The supervisor exited while starting. The end of its log:\n${log}`,
    zh: `守护进程（supervisor）启动时退出，日志的最后几行：\n${log}`,
  }),
  childFailed: (v: { name: string; how: string; logFile: string; log: string }) => ({
    en: `${v.name} did not start (${v.how}). The end of ${v.logFile}:\n${v.log}`,
    zh: `${v.name} 未能启动（${v.how}）。${v.logFile} 的最后几行：\n${v.log}`,
  }),
  neverHealthy: (names: string[], seconds: number) => ({
    en: `Not healthy after ${seconds} s: ${names.join(', ')}. See \`make logs\` for the reason.`,
    zh: `${seconds} 秒后仍未就绪：${names.join('、')}。原因请查看 make logs。`,
  }),
  stoppedAgain: () => ({
    en: 'Everything that was started has been stopped.',
    zh: '已启动的进程已全部停止。',
  }),

  notReady: () => ({
    en: 'All processes run, but the model is not loaded. See `make status` and `make logs NAME=chat`.',
    zh: '所有进程都已启动，但模型尚未加载完成。请查看 make status 和 make logs NAME=chat。',
  }),
  modelFailed: (name: string, reason: string) => ({
    en: `${name}: the model cannot be loaded: ${reason}\nThe other processes run. Serve another model: \`make models\` lists them, \`make up MODEL=id\` restarts the chat service with one. If its file is incomplete: delete it, then \`make model\`.`,
    zh: `${name}：模型无法加载：${reason}\n其他进程正常运行。可改用其他模型：用 make models 列出模型，用 make up MODEL=id 重启对话服务并使用该模型。如果模型文件不完整，请删除后运行 make model。`,
  }),
  engineEnded: (name: string, reason: string) => ({
    en: `${name}: the engine process ended: ${reason}`,
    zh: `${name}：推理引擎进程退出：${reason}`,
  }),
  noBackend: (name: string, reason: string) => ({
    en: `${name}: the server of BACKEND_URL is not ready: ${reason}\nThe other processes run, and requests are forwarded as soon as it answers. Start it, or \`make up BACKEND_URL=…\` with another address.`,
    zh: `${name}：BACKEND_URL 指向的推理服务未就绪：${reason}\n其他进程正常运行，推理服务可用后，请求会立即转发。请启动该服务，或用 make up BACKEND_URL=… 指定其他地址。`,
  }),
  forwarding: (model: string) => ({
    en: `Requests go to the server of BACKEND_URL. Its first model: ${model}`,
    zh: `请求转发到 BACKEND_URL 指向的推理服务，其第一个模型：${model}`,
  }),
  serving: (title: string) => ({ en: `Model: ${title}`, zh: `模型：${title}` }),
  servingDemo: () => ({
    en: 'Model: the built-in DEMO, which can say only one sentence. For a real one: `make model`, then `make up`.',
    zh: '模型：内置演示模型，只会说一句话。使用真实模型：先运行 make model，再运行 make up。',
  }),
  openPage: (url: string) => ({
    en: `The page: ${url} (chat, traces, live panels, alerts)`,
    zh: `控制台：${url}（对话、链路追踪、实时面板、告警）`,
  }),
  tryNext: () => ({ en: 'Or in the terminal:', zh: '也可以在终端中运行：' }),

  isDown: () => ({ en: 'The stack is down.', zh: '整套服务未运行。' }),
  supervisorDied: (names: string[]) => ({
    en: `The supervisor has died${names.length === 0 ? '' : `, still running: ${names.join(', ')}`}. Nothing is watched or restarted. \`make up\` repairs this, \`make down\` stops the rest.`,
    zh: `守护进程（supervisor）已退出${names.length === 0 ? '' : `，仍在运行：${names.join('、')}`}。进程退出后不会自动重启。运行 make up 恢复，或运行 make down 停止剩余进程。`,
  }),
  stateIsOld: (file: string) => ({
    en: `${file} is older than these processes. If its disk is full, free some space.`,
    zh: `${file} 比这些进程旧，内容可能已过时。如果磁盘已满，请清理空间。`,
  }),
  logDiskFull: (folder: string) => ({
    en: `${folder}: the disk is full, so log lines are lost. Free some space; answers are not affected.`,
    zh: `${folder}：磁盘已满，日志正在丢失。请清理空间，对话不受影响。`,
  }),
  noLogs: (folder: string) => ({
    en: `No logs in ${folder} yet. Run \`make up\` first.`,
    zh: `${folder} 中还没有日志。请先运行 make up。`,
  }),
  stopping: (pid: number) => ({
    en: `Stopping (supervisor pid ${pid}). Running answers may finish.`,
    zh: `正在停止（守护进程 pid ${pid}），等待进行中的回答完成。`,
  }),
  stillRunning: (names: string[], seconds: number) => ({
    en: `  ... ${seconds} s, still running: ${names.join(', ')}`,
    zh: `  ... ${seconds} 秒，仍在运行：${names.join('、')}`,
  }),
  notOurs: (pid: number) => ({
    en: `Process ${pid} belongs to another user. Run this as the user that ran \`make up\`.`,
    zh: `进程 ${pid} 属于其他用户。请用当初运行 make up 的用户执行。`,
  }),
  stopped: () => ({
    en: 'The stack is down, nothing is left running.',
    zh: '整套服务已停止，没有遗留进程。',
  }),
} as const;

/** The heads of the tables that `make up` and `make status` print. */
export const columns = {
  service: { en: 'service', zh: '服务' },
  url: { en: 'url', zh: '地址' },
  state: { en: 'state', zh: '状态' },
  pid: { en: 'pid', zh: 'pid' },
  container: { en: 'container', zh: '容器' },
  log: { en: 'log', zh: '日志' },
  upFor: { en: 'up for', zh: '运行时长' },
  restarts: { en: 'restarts', zh: '重启次数' },
  engineRestarts: { en: 'engine restarts', zh: '引擎重启' },
  queue: { en: 'queue', zh: '队列' },
  threads: { en: 'threads', zh: '线程' },
  lastExit: { en: 'last exit', zh: '上次退出' },
} satisfies Record<string, Text>;

/** The health of a process or container. Docker's other words stay as they are. */
export const healthTexts: Record<string, Text> = {
  starting: { en: 'starting', zh: '启动中' },
  healthy: { en: 'healthy', zh: '健康' },
  unhealthy: { en: 'unhealthy', zh: '不健康' },
  waiting: { en: 'waiting to restart', zh: '等待重启' },
  stopped: { en: 'stopped', zh: '已停止' },
};

/** For `formatDuration`. */
export const durationUnits = {
  en: { d: 'd', h: 'h', m: 'm', s: 's' },
  zh: { d: ' 天', h: ' 小时', m: ' 分', s: ' 秒' },
};
/** An age as "3m ago". */
export const ago = (age: string): Text => ({ en: `${age} ago`, zh: `${age}前` });
