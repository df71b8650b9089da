/** Replaces the addresses in an alert's links by those that a phone can open. Used by `message.ts`. */
import { isLoopback } from '../../../src/kit/loopback.ts';

/** Base URLs without a trailing slash, as `*_PUBLIC_URL` give them. */
export interface PublicUrls {
  notifier?: string | undefined;
  prometheus?: string | undefined;
  jaeger?: string | undefined;
  /** Hosts of NOTIFIER_URL and PROMETHEUS_URL, such as `prometheus-operated.monitoring` in Kubernetes. */
  insideHosts?: readonly string[];
}

/** By the path of a link, because an alert names its servers by whatever address they have inside. */
const owners: readonly [RegExp, Exclude<keyof PublicUrls, 'insideHosts'>][] = [
  [/^\/runbooks\//, 'notifier'],
  [/^\/graph$/, 'prometheus'],
  [/^\/query$/, 'prometheus'],
  [/^\/trace\//, 'jaeger'],
];

/** Undefined for anything but http and https. A runbook of the notifier is shown in the language of the message. */
export function publicLink(
  given: string,
  publicUrls: PublicUrls,
  language: string,
): URL | undefined {
  const url = URL.parse(given);
  if (url === null || !/^https?:$/.test(url.protocol)) return undefined;
  const owner = owners.find(([path]) => path.test(url.pathname))?.[1];
  // A link to any other host is the rule author's choice.
  const isInside =
    isLoopback(url.hostname) ||
    !url.hostname.includes('.') ||
    publicUrls.insideHosts?.includes(url.hostname);
  const isPublic = url.origin === URL.parse(publicUrls.notifier ?? '')?.origin;
  if (owner === 'notifier' && (isInside || isPublic)) url.searchParams.set('lang', language);
  const base = owner === undefined || !isInside ? undefined : publicUrls[owner];
  if (base === undefined) return url;
  return URL.parse(`${base}${url.pathname}${url.search}${url.hash}`) ?? url;
}
