import type { Virtualizer } from "@tanstack/react-virtual";
import { useCallback, useLayoutEffect, useRef, useState, type RefObject } from "react";
import type { ListPlace } from "./kept";

/** So near to the end counts as there. */
const NEAR_PX = 48;
/** Scrolling up this soon after a wheel, a touch or a key was done by the person, not by content that changes. */
const INTENT_MS = 1500;

export interface Stick {
  /** Whether the end is followed. */
  readonly sticking: boolean;
  readonly toEnd: () => void;
  /** For going somewhere else by program. */
  readonly release: () => void;
}

/**
 * Keeps `scroller` at its end while `content` or the window changes, until the person scrolls up; at the end again, it
 * goes on. `wanted`: whether to, as long as nobody has scrolled or chosen; undefined while that is not known.
 */
export function useStick(
  scroller: RefObject<HTMLElement | null>,
  content: RefObject<HTMLElement | null>,
  wanted: boolean | undefined,
): Stick {
  const [chosen, setChosen] = useState<boolean>();
  const sticking = chosen ?? wanted ?? false;
  const now = useRef(sticking);
  const intentAt = useRef(-INTENT_MS);

  useLayoutEffect(() => {
    now.current = sticking;
    const element = scroller.current;
    if (sticking && element) element.scrollTop = element.scrollHeight;
  }, [scroller, sticking]);

  const set = useCallback((value: boolean) => {
    now.current = value;
    setChosen(value);
  }, []);

  const toEnd = useCallback(() => {
    intentAt.current = -INTENT_MS; // whatever they did before is done with
    set(true);
    const element = scroller.current;
    if (element) element.scrollTop = element.scrollHeight;
  }, [scroller, set]);

  useLayoutEffect(() => {
    const element = scroller.current;
    const inner = content.current;
    if (!element || !inner) return;
    let [lastTop, lastHeight] = [element.scrollTop, element.scrollHeight];
    // A press on the scroll bar has the scroller itself as its target; one on a button within is no wish to scroll.
    const onIntent = (event: Event) => {
      if (event.type !== "pointerdown" || event.target === element) intentAt.current = performance.now();
    };
    const onScroll = () => {
      const { scrollTop, scrollHeight, clientHeight } = element;
      const [up, down] = [scrollTop < lastTop - 1 && scrollHeight >= lastHeight, scrollTop > lastTop];
      [lastTop, lastHeight] = [scrollTop, scrollHeight];
      const atEnd = scrollHeight - scrollTop - clientHeight <= NEAR_PX;
      // What shrinks may bring its end to the person, who did not ask for it.
      if (atEnd && down) setChosen((before) => (before === false ? true : before));
      else if (!atEnd && now.current && up && performance.now() - intentAt.current < INTENT_MS) set(false);
    };
    const follow = () => {
      if (now.current) element.scrollTop = element.scrollHeight;
    };
    const observer = new ResizeObserver(follow);
    observer.observe(element);
    observer.observe(inner);
    const passive = { passive: true };
    for (const type of ["wheel", "touchmove", "pointerdown", "keydown"]) element.addEventListener(type, onIntent, passive);
    element.addEventListener("scroll", onScroll, passive);
    return () => {
      observer.disconnect();
      for (const type of ["wheel", "touchmove", "pointerdown", "keydown"]) element.removeEventListener(type, onIntent);
      element.removeEventListener("scroll", onScroll);
    };
  }, [scroller, content, set]);

  const release = useCallback(() => set(false), [set]);
  return { sticking, toEnd, release };
}

/** Tells where one was in a list when it goes away. */
export function usePlaceKept(
  scroller: RefObject<HTMLElement | null>,
  sticking: boolean,
  virtualizer: Virtualizer<HTMLDivElement, Element> | Virtualizer<HTMLDivElement, HTMLDivElement>,
  keep: (place: ListPlace) => void,
): void {
  const latest = useRef({ sticking, keep });
  latest.current = { sticking, keep };
  useLayoutEffect(() => {
    const element = scroller.current;
    return () => {
      if (element) latest.current.keep({ top: element.scrollTop, sticking: latest.current.sticking, sizes: virtualizer.measurementsCache });
    };
  }, [scroller, virtualizer]);
}
