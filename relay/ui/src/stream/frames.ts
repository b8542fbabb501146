/** From one showing of what changes fast to the next: with each frame, it kept a page busy half of the time. */
export const SHOW_MS = 100;

const HIDDEN_MS = 50;
// Where no frame comes: the page was hidden in between.
const LATEST_MS = 250;

/** Call back before the next frame; in a hidden page, or where there are no frames, soon. */
export function nextFrame(callback: () => void): void {
  if (typeof document === "undefined" || typeof requestAnimationFrame === "undefined" || document.hidden) {
    setTimeout(callback, HIDDEN_MS);
    return;
  }
  let called = false;
  const once = (): void => {
    if (called) return;
    called = true;
    cancelAnimationFrame(frame);
    clearTimeout(timer);
    callback();
  };
  const frame = requestAnimationFrame(once);
  const timer = setTimeout(once, LATEST_MS);
}
