// A layout that moves to its next state instead of jumping there.
import { useEffect, useRef, useState } from 'preact/hooks';
import { type Layout, mixed } from './layout.ts';

const MOVE_MS = 450;

const prefersStillness = (): boolean => matchMedia('(prefers-reduced-motion: reduce)').matches;

export function useMovingLayout(target: Layout): Layout {
  const [shown, setShown] = useState(target);
  const current = useRef(target);
  useEffect(() => {
    const from = current.current;
    if (from === target) return;
    const put = (layout: Layout): void => {
      current.current = layout;
      setShown(layout);
    };
    if (from.nodes.size === 0 || prefersStillness()) {
      put(target);
      return;
    }
    let frame = 0;
    const start = performance.now();
    const step = (now: number): void => {
      const share = Math.min(1, Math.max(0, (now - start) / MOVE_MS));
      put(share === 1 ? target : mixed(from, target, share * share * (3 - 2 * share)));
      if (share < 1) frame = requestAnimationFrame(step);
    };
    frame = requestAnimationFrame(step);
    return () => cancelAnimationFrame(frame);
  }, [target]);
  // What is not in the layout that is shown yet would have no place.
  return shown.nodes.size === 0 ? target : shown;
}
