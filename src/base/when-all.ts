// Waits for several things that each call back once, perhaps at once.

/** Calls `done` once, perhaps now: when `wait` has called back for every item. */
export function whenAll<T>(items: Iterable<T>, wait: (item: T, called: () => void) => void, done: () => void): void {
  // One for the loop itself, or an item that calls back at once would end it.
  let waiting = 1;
  const called = (): void => {
    if (--waiting === 0) done();
  };
  for (const item of items) {
    waiting++;
    wait(item, called);
  }
  called();
}
