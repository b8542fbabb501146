import { createContext, useContext } from "react";
import type { StartLike } from "./form/start";

/** Open the form that starts a run; with what another was started with. */
export type OpenStart = (like?: StartLike) => void;

export const StartContext = createContext<OpenStart>(() => undefined);

export function useOpenStart(): OpenStart {
  return useContext(StartContext);
}
