import { useCallback, useLayoutEffect, useRef, useState, type RefObject } from "react";

const NEAR_PX = 24;

/**
 * Keeps a scroller at its end while it grows. Whoever scrolls up stops that; who scrolls to the end, or asks for it,
 * starts it again. `wanted`: whether to begin with it; undefined while that is not known.
 */
export function useFollow(scroller: RefObject<HTMLElement | null>, wanted: boolean | undefined, height: number) {
  const [chosen, setChosen] = useState<boolean>();
  const following = chosen ?? wanted ?? false;
  const top = useRef(0);

  useLayoutEffect(() => {
    const element = scroller.current;
    if (following && element) element.scrollTop = element.scrollHeight;
  }, [scroller, following, height]);

  const onScroll = useCallback(() => {
    const element = scroller.current;
    if (!element) return;
    const up = element.scrollTop < top.current - 1;
    top.current = element.scrollTop;
    const atEnd = element.scrollHeight - element.clientHeight - element.scrollTop < NEAR_PX;
    if (atEnd && !up) setChosen((before) => (before === false ? true : before));
    else if (up && !atEnd) setChosen(false);
  }, [scroller]);

  return { following, onScroll, setFollowing: setChosen };
}
