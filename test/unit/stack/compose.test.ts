/** The committed `stack/compose.yaml`: privileges, limits, ports and images of every service. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { root } from '../../support/stack/sandbox.ts';

interface Service {
  profiles: string[];
  image: string;
  build?: object;
  ports: string[];
  read_only: boolean;
  cap_drop: string[];
  security_opt: string[];
  pids_limit: number;
  cpus: string | number;
  mem_limit: string;
  restart: string;
  healthcheck: { test: string[] };
  logging: { options: Record<string, string> };
  volumes: (string | { read_only: boolean; bind: { create_host_path: boolean } })[];
}

const file = path.join(root, 'stack/compose.yaml');
const compose = parse(readFileSync(file, 'utf8'), { merge: true }) as {
  services: Record<string, Service>;
  volumes: Record<string, unknown>;
};
const services = Object.entries(compose.services);
const withCompose = spawnSync('docker', ['compose', 'version']).status === 0;

describe.each(services)('%s', (_, service) => {
  test('runs without privileges on a read-only file system', () => {
    expect(service).toMatchObject({
      read_only: true,
      cap_drop: ['ALL'],
      security_opt: ['no-new-privileges:true'],
    });
    expect(service).not.toHaveProperty('user');
    expect(service).not.toHaveProperty('privileged');
  });

  test('has limits for memory, CPU, processes and logs', () => {
    expect(service.mem_limit).toMatch(/\d[mg]\}?$/);
    expect(String(service.cpus)).toMatch(/^(0\.5|1|\$\{CHAT_CPUS:-0\})$/);
    expect(service.pids_limit).toBeGreaterThan(0);
    expect(service.logging.options).toMatchObject({ 'max-size': '10m', 'max-file': '2' });
  });

  test('is published only on loopback', () => {
    for (const port of service.ports) {
      expect(port).toMatch(/^(127\.0\.0\.1|\$\{(CHAT|NOTIFIER)_HOST:-127\.0\.0\.1\}):/);
    }
  });

  test('has a pinned version or is built here', () => {
    const pinned = /^[a-z]+\/[a-z]+:v?\d+\.\d+\.\d+$/.test(service.image);
    expect(pinned || service.build !== undefined).toBe(true);
  });

  test('has a health check and restarts', () => {
    expect(service.healthcheck.test[0]).toBe('CMD');
    expect(service.restart).toBe('unless-stopped');
  });

  test('mounts files of the machine read-only and creates no folder there', () => {
    const mounts = service.volumes.filter((volume) => typeof volume !== 'string');
    expect(mounts.length).toBeGreaterThan(0);
    for (const mount of mounts) {
      expect(mount).toMatchObject({ read_only: true, bind: { create_host_path: false } });
    }
  });
});

test('profile full adds Grafana and Jaeger to minimal', () => {
  const inProfile = (profile: string): string[] =>
    services.filter(([, { profiles }]) => profiles.includes(profile)).map(([name]) => name);
  const minimal = ['chat', 'notifier', 'alertmanager', 'prometheus'];
  expect(inProfile('minimal')).toEqual(minimal);
  expect(inProfile('full')).toEqual([...minimal, 'grafana', 'jaeger']);
});

test.skipIf(!withCompose).each(['minimal', 'full'])(
  'Compose accepts it without warnings, profile %s, no variables',
  (profile) => {
    const bare = Object.fromEntries(
      ['PATH', 'HOME', 'DOCKER_CONFIG'].map((name) => [name, process.env[name]]),
    );
    const args = ['compose', '--file', file, '--profile', profile, 'config', '--quiet'];
    const { status, stdout, stderr } = spawnSync('docker', args, { env: bare, encoding: 'utf8' });
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '', stderr: '' });
  },
);
