import { X } from "lucide-react";
import { useSyncExternalStore } from "react";
import { IconButton } from "./button";
import "./toast.css";

const SHOWN_MS = 8000;
const MAX_SHOWN = 3;

interface Toast {
  readonly id: number;
  readonly text: string;
  readonly tone: "neutral" | "bad";
}

const listeners = new Set<() => void>();
let toasts: readonly Toast[] = [];
let lastId = 0;

/** Say something that has no place of its own on the page. It goes by itself. */
export function notify(text: string, tone: Toast["tone"] = "neutral"): void {
  const toast = { id: ++lastId, text, tone };
  change([...toasts, toast].slice(-MAX_SHOWN));
  setTimeout(() => dismiss(toast.id), SHOWN_MS);
}

/** The same, of what a call threw. */
export function notifyError(error: unknown): void {
  notify(error instanceof Error ? error.message : String(error), "bad");
}

export function Toasts() {
  const shown = useSyncExternalStore(subscribe, () => toasts);
  return (
    <div className="toasts" role="status" aria-live="polite">
      {shown.map((toast) => (
        <div key={toast.id} className={`toast toast-${toast.tone}`}>
          <p>{toast.text}</p>
          <IconButton size="sm" icon={X} label="Dismiss" onClick={() => dismiss(toast.id)} />
        </div>
      ))}
    </div>
  );
}

function dismiss(id: number): void {
  change(toasts.filter((toast) => toast.id !== id));
}

function change(next: readonly Toast[]): void {
  toasts = next;
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
