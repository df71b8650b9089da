/** A scheduler on a model of plain arrays, and what it told. */
import { expect } from 'vitest';
import type { Fact } from '../../../src/engine/engine.ts';
import { createScheduler } from '../../../src/engine/worker/scheduler.ts';
import type { ArrayModel } from './model.ts';

type Told = Fact & { id: number };

export function run(model: ArrayModel, isExpecting: () => boolean = () => false) {
  const facts: Told[] = [];
  const failed: [number, unknown][] = [];
  const scheduler = createScheduler(model, {
    onFacts: (step) => facts.push(...step),
    onFailed: (id, error) => failed.push([id, error]),
    isExpecting,
  });
  const of = (id: number) => facts.filter((fact) => fact.id === id);
  const has = (id: number, type: Fact['type']) => of(id).some((fact) => fact.type === type);
  /** Steps until a request has that fact. */
  async function reach(id: number, type: Fact['type']): Promise<void> {
    for (let step = 0; step < 100 && !has(id, type); step++) await model.step();
    expect(has(id, type)).toBe(true);
  }
  return { scheduler, failed, of, reach };
}

/** A prompt of its own. */
export const prompt = (seed: number, length: number) =>
  Array.from({ length }, (_, index) => seed * 10_000 + index);
