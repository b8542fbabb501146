import { Bell as BellIcon, BellRing } from "lucide-react";
import { lazy, Suspense, useEffect, useMemo, useRef, useState } from "react";
import { Link, useLocation } from "wouter";
import { useModel } from "../model";
import { withoutScript } from "../runs/title";
import { useRun, useRuns } from "../stream";
import type { RunSummary } from "../stream/types";
import iconAsks from "../icon-asks.svg";
import { Button, shownStatus, Switch } from "../ui";
import { useKeys } from "../ui/keys";
import { useNews, useNotifications } from "./notifications";
import "./attention.css";

// With what shows tools and Markdown: wanted when something is answered, not on each page.
const AskDock = lazy(() => import("../asks/ask-dock").then(({ AskDock: Found }) => ({ default: Found })));

/** Between the two keys of `g i`. */
const CHORD_MS = 1000;

/** How much all runs ask together; its menu answers them in their place. */
export function Bell() {
  const { runs, loaded, version } = useRuns();
  const [open, setOpen] = useState(false);
  const [, navigate] = useLocation();
  const box = useRef<HTMLDivElement>(null);
  const asking = useMemo(() => runs.filter((run) => shownStatus(run.status, run.open_questions) === "asking"), [runs, version]);
  const count = asking.reduce((sum, run) => sum + run.open_questions, 0);
  const notifications = useNotifications();
  useNews(runs, loaded, notifications.on, (runId) => navigate(`/runs/${runId}`));
  useFavicon(count > 0);

  const pressed = useRef(-Infinity);
  useKeys({
    g: () => {
      pressed.current = performance.now();
    },
    // Alone it is another key of the page around.
    i: () => (performance.now() - pressed.current < CHORD_MS ? setOpen(true) : false),
    ...(open && { Escape: () => setOpen(false) }),
  }, true);
  useEffect(() => {
    if (!open) return;
    const onPress = (event: PointerEvent) => {
      if (!box.current?.contains(event.target as Node)) setOpen(false);
    };
    document.addEventListener("pointerdown", onPress);
    return () => document.removeEventListener("pointerdown", onPress);
  }, [open]);

  return (
    <div ref={box} className="bell">
      <Button
        variant="ghost"
        className={count > 0 ? "bell-button bell-asking" : "bell-button"}
        icon={count > 0 ? BellRing : BellIcon}
        aria-label={count === 0 ? "Nothing needs you" : count === 1 ? "1 thing needs you" : `${count} things need you`}
        aria-expanded={open}
        aria-keyshortcuts="g i"
        title="What needs you (g i)"
        onClick={() => setOpen(!open)}
      >
        {count > 0 && <span className="numeric">{count}</span>}
      </Button>
      {open && (
        <section className="bell-menu" aria-label="What needs you">
          {asking.length === 0 && <p className="bell-none">Nothing needs you.</p>}
          {asking.map((run) => (
            <Asking key={run.run_id} run={run} first={run === asking[0]} onLeave={() => setOpen(false)} />
          ))}
          {notifications.able && (
            <footer className="bell-foot">
              <Switch label="Tell me in the browser" hint="When a run needs you, fails or is done, while you look elsewhere" checked={notifications.on} onChange={notifications.toggle} />
            </footer>
          )}
        </section>
      )}
    </div>
  );
}

/** A run that asks: unfolded, what it asks. */
function Asking({ run, first, onLeave }: { readonly run: RunSummary; readonly first: boolean; readonly onLeave: () => void }) {
  const [open, setOpen] = useState(first);
  return (
    <article className="bell-run">
      <header className="bell-head">
        <button type="button" className="bell-title truncate foreign" aria-expanded={open} onClick={() => setOpen(!open)}>
          {withoutScript(run.title) || run.run_id}
        </button>
        <Link href={`/runs/${run.run_id}`} onClick={onLeave}>
          Open
        </Link>
      </header>
      {open && <Asks runId={run.run_id} />}
    </article>
  );
}

function Asks({ runId }: { readonly runId: string }) {
  const log = useRun(runId);
  const { questions, permissions } = useModel(log);
  const looking = <p className="bell-none">Looking what it asks…</p>;
  if (!log.caughtUp && questions.length + permissions.length === 0) return looking;
  return (
    <Suspense fallback={looking}>
      <AskDock runId={runId} questions={questions} permissions={permissions} keys={false} />
    </Suspense>
  );
}

/** A dot on the page's sign while something needs somebody. */
function useFavicon(asks: boolean): void {
  useEffect(() => {
    const link = document.querySelector<HTMLLinkElement>('link[rel="icon"]');
    if (link === null) return;
    const before = link.href;
    if (asks) link.href = iconAsks;
    return () => {
      link.href = before;
    };
  }, [asks]);
}
