/**
 * The gate of both HTTP services, for requests that need no key. A page of another site reaches a service through somebody's browser in
 * two ways: through its own host name that resolves to this machine (DNS rebinding), which Host reveals, or by sending a request to
 * the service's address (CSRF), which Origin reveals.
 */
import type { Context } from 'hono';
import { isIP } from 'node:net';
import type { Text } from '../../otel/text.ts';
import { isLoopback } from './loopback.ts';

/** Why a request is refused, as an HTTP status and a sentence. */
export interface Refusal extends Text {
  status: 400 | 403;
}

export interface Gate {
  /** Whether the request comes from a program on this machine, and not through a proxy on it. */
  isLocal(c: Context): boolean;
  /** Refuses a Host that is invalid or, unless `anyName`, a name of somebody else. */
  checkHost(c: Context, how?: { anyName: boolean }): Refusal | undefined;
  /** Refuses pages of other origins; with `ownOnly`, also those that `origins` allows. */
  checkOrigin(c: Context, how?: { ownOnly: boolean }): Refusal | undefined;
}

export interface GateOptions {
  /** Host names of the service, beside localhost and IP addresses. An address cannot be rebound. */
  names: readonly string[];
  /** The setting that adds a name, for the sentence of a refusal. */
  setting: string;
  /** Origins of other pages that may ask. */
  origins?: readonly string[];
  /** The address from which a container engine passes on this machine's requests to a port that is published on loopback. */
  forwarder?: string | undefined;
}

/** Headers that proxies add. https://www.rfc-editor.org/rfc/rfc7239, https://www.rfc-editor.org/rfc/rfc9110#name-via */
const addedByProxy = /^(?:forwarded|via|x-real-ip|x-forwarded-.+)$/;

export function createGate({ names, setting, origins = [], forwarder }: GateOptions): Gate {
  const own = new Set(['localhost', ...names.map((name) => name.toLowerCase())]);
  const foreign = foreignHost(setting);
  return {
    isLocal: (c) => isLocal(c, forwarder),
    checkHost(c, { anyName } = { anyName: false }) {
      const name = hostNameOf(c);
      if (name === undefined) return invalidHost;
      if (anyName || own.has(name) || isAddress(name)) return undefined;
      return foreign;
    },
    checkOrigin(c, { ownOnly } = { ownOnly: false }) {
      const origin = c.req.header('origin');
      if (origin === undefined || URL.parse(origin)?.host === hostOf(c)) return undefined;
      return !ownOnly && origins.includes(origin) ? undefined : foreignOrigin;
    },
  };
}

/**
 * nginx speaks HTTP/1.0 to the service unless it is told otherwise, and then adds no header
 * (https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_http_version), so no request of that version counts as local.
 */
function isLocal(c: Context, forwarder: string | undefined): boolean {
  const incoming = c.env?.incoming;
  const from: string = incoming?.socket.remoteAddress ?? '';
  if (!isLoopback(from) && from.replace('::ffff:', '') !== forwarder) return false;
  if (incoming?.httpVersion === '1.0') return false;
  return !Object.keys(c.req.header()).some((name) => addedByProxy.test(name));
}

/** The service's own address without Host, as in HTTP/1.0: a browser always sends Host. */
function hostOf(c: Context): string {
  return (c.req.header('host') ?? URL.parse(c.req.url)?.host ?? '').toLowerCase();
}

function hostNameOf(c: Context): string | undefined {
  return URL.parse(`http://${hostOf(c)}`)?.hostname;
}

function isAddress(name: string): boolean {
  return isIP(name.replaceAll(/^\[|\]$/g, '')) !== 0;
}

const invalidHost: Refusal = {
  status: 400,
  en: 'host: expected a host name or an IP address.',
  zh: 'Host 不是有效的主机名或 IP 地址。',
};

function foreignHost(setting: string): Refusal {
  return {
    status: 403,
    en: `host: expected localhost, an IP address or a name in ${setting}.`,
    zh: `不允许通过该域名访问，请使用 localhost、IP 地址或 ${setting} 中的域名。`,
  };
}

const foreignOrigin: Refusal = {
  status: 403,
  en: 'origin: requests of pages of other sites are not accepted.',
  zh: '请求来自其他网站的页面（Origin），已拒绝。',
};
