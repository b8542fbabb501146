import { useEffect, useRef, useState } from "react";

/**
 * `value`, at most once in `interval_ms` while it keeps changing. Text that grows with each frame need not be parsed
 * and laid out with each frame: the eye can't tell, the processor can.
 */
export function useSettled<T>(value: T, interval_ms: number): T {
  const [shown, setShown] = useState(value);
  const shownAt = useRef(0);
  useEffect(() => {
    if (Object.is(value, shown)) return;
    const wait_ms = shownAt.current + interval_ms - performance.now();
    const show = () => {
      shownAt.current = performance.now();
      setShown(() => value);
    };
    if (wait_ms <= 0) return show();
    const timer = setTimeout(show, wait_ms);
    return () => clearTimeout(timer);
  }, [value, shown, interval_ms]);
  return shown;
}
