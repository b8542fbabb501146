import { createContext } from "react";

/** What people folded and unfolded, by the key of the step. */
export interface FoldChoice {
  readonly isOpen: (key: string, atFirst: boolean) => boolean;
  readonly choose: (key: string, open: boolean) => void;
}

export const Folds = createContext<FoldChoice>({ isOpen: (_, atFirst) => atFirst, choose: () => undefined });
