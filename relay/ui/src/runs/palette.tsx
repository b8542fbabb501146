import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { CornerDownLeft, List, Plus } from "lucide-react";
import type { LucideIcon } from "lucide-react";
import { useId, useRef, useState, type KeyboardEvent } from "react";
import { useLocation } from "wouter";
import { fetchRuns, keys } from "../api";
import { useOpenStart } from "../start/start-context";
import { useRuns } from "../stream";
import { Dialog, formatAge, STATUS_WORDS, shownStatus, useNow } from "../ui";
import { useSettled } from "../ui/settled";
import { orderRuns } from "./order";
import "./palette.css";
import { withoutScript } from "./title";

const MAX_RUNS = 8;
const ASK_MS = 120;

interface Entry {
  readonly key: string;
  readonly name: string;
  readonly note: string;
  readonly icon: LucideIcon | undefined;
  /** Of a run: how it is. */
  readonly dot: string | undefined;
  readonly onChoose: () => void;
}

/** Goes to a run, or does something, by its words. */
export default function Palette({ onClose }: { readonly onClose: () => void }) {
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const { runs: live } = useRuns();
  const [, navigate] = useLocation();
  const openStart = useOpenStart();
  const now = useNow();
  const listId = useId();
  const list = useRef<HTMLUListElement>(null);
  const asked = useSettled(text.trim(), ASK_MS);
  const found = useQuery({
    queryKey: [...keys.runs, "palette", asked],
    queryFn: ({ signal }) => fetchRuns(new URLSearchParams({ q: asked, limit: String(MAX_RUNS) }), signal),
    enabled: asked !== "",
    placeholderData: keepPreviousData,
  });
  const go = (path: string) => () => {
    onClose();
    navigate(path);
  };
  const actions: readonly Entry[] = [
    { key: "new", name: "New run", note: "n", icon: Plus, dot: undefined, onChoose: () => openStart() },
    { key: "all", name: "All runs", note: "u", icon: List, dot: undefined, onChoose: go("/") },
    { key: "failed", name: "Runs that failed", note: "", icon: List, dot: undefined, onChoose: go("/?status=failed") },
    { key: "asking", name: "Runs that need you", note: "", icon: List, dot: undefined, onChoose: go("/?status=asking") },
  ];
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const runs = text.trim() === "" ? orderRuns(live).slice(0, MAX_RUNS) : (found.data?.runs ?? []);
  const entries: readonly Entry[] = [
    ...runs.map((run): Entry => {
      const shown = shownStatus(run.status, run.open_questions);
      return {
        key: run.run_id,
        name: withoutScript(run.title) || run.run_id,
        note: `${STATUS_WORDS[shown]} · ${formatAge(run.created_at, now)}`,
        icon: undefined,
        dot: shown === "idle" ? "waiting" : shown,
        onChoose: go(`/runs/${run.run_id}`),
      };
    }),
    ...actions.filter((action) => words.every((word) => action.name.toLowerCase().includes(word))),
  ];
  const chosen = Math.min(at, entries.length - 1);

  const onKeyDown = (event: KeyboardEvent) => {
    const steps: Readonly<Record<string, number>> = { ArrowDown: chosen + 1, ArrowUp: chosen - 1 + entries.length, Home: 0, End: entries.length - 1 };
    const to = steps[event.key];
    if (event.key === "Enter" && !event.nativeEvent.isComposing) entries[chosen]?.onChoose();
    else if (to !== undefined && entries.length > 0) {
      setAt(to % entries.length);
      list.current?.children[to % entries.length]?.scrollIntoView({ block: "nearest" });
    } else return;
    event.preventDefault();
  };

  return (
    <Dialog title="Find a run or an action" onClose={onClose}>
      <input
        className="input"
        type="search"
        role="combobox"
        data-autofocus
        aria-label="Find"
        aria-expanded
        aria-controls={listId}
        aria-activedescendant={entries[chosen] ? `${listId}-${chosen}` : undefined}
        placeholder="Words of a run, or what to do"
        value={text}
        maxLength={500}
        onChange={(event) => {
          setText(event.target.value);
          setAt(0);
        }}
        onKeyDown={onKeyDown}
      />
      <ul ref={list} id={listId} className="palette" role="listbox" aria-label="Found">
        {entries.map(({ key, name, note, icon: Icon, dot, onChoose }, index) => (
          <li key={key} id={`${listId}-${index}`} role="option" aria-selected={index === chosen} className="palette-entry" onClick={onChoose} onMouseMove={() => setAt(index)}>
            {Icon ? <Icon className="icon-sm" aria-hidden /> : <span className={`dot dot-${dot}`} aria-hidden />}
            <span className="truncate foreign">{name}</span>
            <span className="palette-note numeric">{note}</span>
            {index === chosen && <CornerDownLeft className="icon-sm" aria-hidden />}
          </li>
        ))}
      </ul>
      {entries.length === 0 && <p className="muted">Nothing is like that.</p>}
    </Dialog>
  );
}
