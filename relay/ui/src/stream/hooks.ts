import { createContext, createElement, useCallback, useContext, useMemo, useSyncExternalStore, type ReactNode } from "react";
import type { ConnectionView, RunList, RunLog, StreamClient } from "./types.js";

const Client = createContext<StreamClient | null>(null);

/** Makes a client known to the hooks below it. */
export function StreamProvider(props: { readonly client: StreamClient; readonly children?: ReactNode }): ReactNode {
  return createElement(Client.Provider, { value: props.client }, props.children);
}

/** The client of the next `StreamProvider` above. */
export function useStreamClient(): StreamClient {
  const client = useContext(Client);
  if (client === null) throw new Error("no <StreamProvider client={createClient()}> above");
  return client;
}

/** All lines of a run so far; it is followed for as long as the component is there. */
export function useRun(runId: string): RunLog {
  const client = useStreamClient();
  const subscribe = useCallback((listener: () => void) => client.subscribeRun(runId, listener), [client, runId]);
  const get = useCallback(() => client.getRun(runId), [client, runId]);
  return useSyncExternalStore(subscribe, get, get);
}

/** The list of runs, which lives; `loadMore` fetches older ones. */
export function useRuns(): RunList & { readonly loadMore: () => Promise<void> } {
  const client = useStreamClient();
  const subscribe = useCallback((listener: () => void) => client.subscribeRuns(listener), [client]);
  const get = useCallback(() => client.getRuns(), [client]);
  const list = useSyncExternalStore(subscribe, get, get);
  const loadMore = useCallback(() => client.loadMore(), [client]);
  return useMemo(() => ({ ...list, loadMore }), [list, loadMore]);
}

/** The connection that all of it comes by. */
export function useConnection(): ConnectionView {
  const client = useStreamClient();
  const subscribe = useCallback((listener: () => void) => client.subscribeConnection(listener), [client]);
  const get = useCallback(() => client.getConnection(), [client]);
  return useSyncExternalStore(subscribe, get, get);
}
