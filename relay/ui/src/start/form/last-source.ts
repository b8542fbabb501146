import type { Source } from "./start";

const KEY = "tailcast.source";

/** `claude`, or `deployment nightly`: no workflow has a space in its name. */
export function nameOfSource({ workflow, deployment }: Source): string {
  return deployment ? `deployment ${deployment.name}` : workflow.name;
}

/** With what the form opens the next time, in this browser. */
export function rememberSource(source: Source): void {
  try {
    localStorage.setItem(KEY, nameOfSource(source));
  } catch {
    // No storage: the form opens with the first one.
  }
}

export function lastSource(): string | null {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}
