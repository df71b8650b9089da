/** A scheduler on a model of plain arrays, and its facts. */
import { expect, onTestFinished, vi } from 'vitest';
import type { Fact } from '../../../src/engine/engine.ts';
import { createScheduler } from '../../../src/engine/worker/scheduler.ts';
import type { ArrayModel } from './model.ts';

type JobFact = Fact & { id: number };

export function run(model: ArrayModel) {
  const facts: JobFact[] = [];
  const failed: [number, unknown][] = [];
  const scheduler = createScheduler(model, {
    onFacts: (step) => facts.push(...step),
    onFailed: (id, error) => failed.push([id, error]),
  });
  const of = (id: number) => facts.filter((fact) => fact.id === id);
  const has = (id: number, type: Fact['type']) => of(id).some((fact) => fact.type === type);
  /** Runs steps until the request has reported a fact of this type. */
  async function reach(id: number, type: Fact['type']): Promise<void> {
    for (let step = 0; step < 100 && !has(id, type); step++) await model.step();
    expect(has(id, type)).toBe(true);
  }
  return { scheduler, failed, of, reach };
}

/** Installs a manual clock until the test ends, so that slices do not depend on the speed of the machine. */
export function stopClock() {
  const clock = { millis: 0 };
  const spy = vi.spyOn(performance, 'now').mockImplementation(() => clock.millis);
  onTestFinished(() => spy.mockRestore());
  return clock;
}

/** A prompt that shares no token with prompts of other seeds. */
export const prompt = (seed: number, length: number) =>
  Array.from({ length }, (_, index) => seed * 10_000 + index);
