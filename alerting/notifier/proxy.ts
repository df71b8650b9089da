/** Sends requests of the notifier through a proxy, if the environment names one. Used by `main.ts`. */
import http from 'node:http';

/** This machine is never reached through a proxy: Prometheus and Alertmanager are there. */
const loopback = ['localhost', '127.0.0.1', '[::1]', '::1'];

interface Proxy {
  /** This version of Node has no proxies (before 24.14), or the address is wrong; it may contain a password and is not shown. */
  warning?: string;
  /** Undoes the change. */
  restore: () => void;
}

const restore = (): void => undefined;

/** HTTPS_PROXY, HTTP_PROXY and NO_PROXY, also in lower case. */
export function useProxy(env: NodeJS.ProcessEnv): Proxy {
  const { HTTPS_PROXY, https_proxy = HTTPS_PROXY, HTTP_PROXY, http_proxy = HTTP_PROXY } = env;
  if (!https_proxy && !http_proxy) return { restore };
  const noProxy = [env['no_proxy'] ?? env['NO_PROXY'], ...loopback].filter(Boolean).join(',');
  const given = {
    ...(https_proxy && { https_proxy }),
    ...(http_proxy && { http_proxy }),
    no_proxy: noProxy,
  };
  const { setGlobalProxyFromEnv } = http as {
    setGlobalProxyFromEnv?: (env: object) => () => void;
  };
  if (setGlobalProxyFromEnv === undefined) {
    const warning = 'HTTPS_PROXY: this version of Node has no proxies; expected 24.14 or newer.';
    return { warning, restore };
  }
  try {
    return { restore: setGlobalProxyFromEnv(given) };
  } catch {
    const warning =
      'HTTPS_PROXY, HTTP_PROXY: expected an http or https URL, got something else (not shown).';
    return { warning, restore };
  }
}
