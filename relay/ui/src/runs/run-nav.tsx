import { memo, useMemo } from "react";
import { Link, useLocation } from "wouter";
import { useRuns } from "../stream";
import type { RunSummary } from "../stream/types";
import { formatAge, formatWhole, STATUS_WORDS, useNow } from "../ui";
import { useKeys } from "../ui/keys";
import { groupRuns, GROUP_WORDS } from "./groups";
import "./run-nav.css";
import { withoutScript } from "./title";

/** The runs beside the run: what needs somebody, what goes on, and the newest of the rest. Alt and the arrows go through them. */
export function RunNav() {
  const { runs, more, version } = useRuns();
  const [location, navigate] = useLocation();
  const now = useNow();
  const day = new Date(now).toDateString();
  const groups = useMemo(() => groupRuns(runs, new Date(now)), [runs, version, day]);
  const [, kind, current] = location.split("/");
  const here = kind === "runs" ? current : undefined;

  const move = (step: number) => {
    const all = groups.flatMap((group) => group.runs);
    const at = all.findIndex((run) => run.run_id === here);
    const next = all[at < 0 ? 0 : at + step];
    if (next === undefined) return false;
    navigate(`/runs/${next.run_id}`);
    return undefined;
  };
  useKeys({ "Alt+ArrowDown": () => move(1), "Alt+ArrowUp": () => move(-1) });

  return (
    <nav className="run-nav" aria-label="Runs">
      {groups.map((group) => (
        <section key={group.name} aria-label={GROUP_WORDS[group.name]}>
          <h2 className="run-nav-head">{GROUP_WORDS[group.name]}</h2>
          <ul>
            {group.runs.map((run) => (
              <NavRow key={run.run_id} run={run} shown={group.name === "asking" ? "asking" : run.status} here={run.run_id === here} now={now} />
            ))}
          </ul>
        </section>
      ))}
      {(more || groups.some((group) => group.more > 0)) && (
        <Link href="/" className="run-nav-all">
          All runs{groups.some((group) => group.more > 0) && !more ? ` (${formatWhole(runs.length)})` : ""}
        </Link>
      )}
    </nav>
  );
}

interface NavRowProps {
  readonly run: RunSummary;
  readonly shown: string;
  readonly here: boolean;
  readonly now: number;
}

const NavRow = memo(
  function NavRow({ run, shown, here, now }: NavRowProps) {
    const title = withoutScript(run.title) || run.run_id;
    const word = shown === "asking" ? STATUS_WORDS.asking : shown === "waiting" ? STATUS_WORDS.idle : shown;
    return (
      <li>
        <Link href={`/runs/${run.run_id}`} className="run-nav-row" aria-current={here ? "page" : undefined} title={`${title}\n${run.run_id}`}>
          <span className={`dot dot-${shown}`} aria-hidden />
          <span className="truncate foreign">{title}</span>
          <span className="sr-only">, {word}</span>
          <span className="run-nav-note numeric">{run.progress !== null && run.status === "running" ? `${Math.round(run.progress)} %` : formatAge(run.created_at, now)}</span>
        </Link>
      </li>
    );
  },
  // The clock alone draws nothing anew but once a minute.
  (a, b) => a.run === b.run && a.shown === b.shown && a.here === b.here && Math.floor(a.now / 30_000) === Math.floor(b.now / 30_000),
);
