/** Waits until a condition holds; checks it 20 times a second. @throws Error after `seconds`. */
export async function until(
  condition: () => Promise<boolean> | boolean,
  seconds = 40,
): Promise<void> {
  const deadline = performance.now() + seconds * 1000;
  while (!(await condition())) {
    if (performance.now() > deadline)
      throw new Error(`not so after ${seconds} s: ${condition.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
