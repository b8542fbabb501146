// The bearer token, where the relay wants one. Kept for this tab of the browser, until it is closed.

import { useSyncExternalStore } from "react";
import { ROOT_PATH } from "./root-path";

const KEY = `tailcast.token${ROOT_PATH}`; // of this relay alone: others may be on the same host

export interface TokenState {
  readonly token: string | null;
  /** Whether the relay has refused what we have (or that we have none). */
  readonly wanted: boolean;
}

const listeners = new Set<() => void>();
let state: TokenState = { token: stored(), wanted: false };

/** Take the token out of the address (`#token=…`, as `serve --open` hands it over) before anyone sees it there. */
export function takeTokenFromAddress(): void {
  const found = /^#token=([^&]+)$/.exec(location.hash);
  if (found === null) return;
  history.replaceState(history.state, "", location.pathname + location.search);
  setToken(decodeURIComponent(found[1] as string));
}

export function getToken(): string | null {
  return state.token;
}

export function setToken(token: string | null): void {
  try {
    if (token === null) sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, token);
  } catch {
    // No storage (a locked-down browser): the token lasts until the reload.
  }
  change({ token, wanted: false });
}

/** The relay said 401 to `used`. An answer that comes late, to a token that was replaced since, means nothing. */
export function tokenRefused(used: string | null): void {
  if (used === state.token && !state.wanted) change({ ...state, wanted: true });
}

export function onToken(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function useToken(): TokenState {
  return useSyncExternalStore(onToken, () => state);
}

function change(next: TokenState): void {
  state = next;
  for (const listener of listeners) listener();
}

function stored(): string | null {
  try {
    return sessionStorage.getItem(KEY);
  } catch {
    return null;
  }
}
