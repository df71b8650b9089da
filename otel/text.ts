/** Texts in both languages. Used by the terminal, the alerts and the console. */
import type { ServiceState } from './names.ts';

/** A text in the two languages of the project. */
export interface Text {
  en: string;
  zh: string;
}

/** The states of the service in words, for terminals and alerts. */
export const stateTexts: Record<ServiceState, Text> = {
  loading: { en: 'loading the model', zh: '正在加载模型' },
  ready: { en: 'ready', zh: '就绪' },
  restarting: { en: 'restarting the engine', zh: '引擎重启中' },
  failed: { en: 'cannot load the model', zh: '模型无法加载' },
  draining: { en: 'shutting down', zh: '正在关闭' },
  stopped: { en: 'stopped', zh: '已停止' },
  unreachable: { en: 'the backend does not answer', zh: '后端无响应' },
};
