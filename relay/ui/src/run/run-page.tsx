import { ChevronDown, Columns2, FileX2, History } from "lucide-react";
import { useDeferredValue, useEffect, useRef, useState } from "react";
import { Link, useLocation, useSearchParams } from "wouter";
import { useRunView, useWorkflow } from "../api";
import { AskDock } from "../asks/ask-dock";
import { openOf, statusOf, useModel } from "../model";
import { titleOf } from "../runs/title";
import { useRun, useRuns } from "../stream";
import { BESIDE, fittingTab, TAB_LABELS, tabOf, TABS, type TabName } from "../tabs/names";
import type { TabProps } from "../tabs/tab";
import { TabContent } from "../tabs/tab-content";
import { EmptyState, isEnded, Loading, shownStatus, STATUS_WORDS, Tabs } from "../ui";
import { Button, IconButton } from "../ui/button";
import { useKeys } from "../ui/keys";
import { copyText, linkTo, offsetIn, placeAt, pointedOffset } from "../ui/place-link";
import { useSettled } from "../ui/settled";
import { useTitle } from "../ui/title";
import { useRemembered, useWide } from "../ui/window";
import { ReplayBar } from "./replay/replay-bar";
import { useReplay } from "./replay/use-replay";
import { RunDetails } from "./run-details";
import { RunHead } from "./run-head";
import { RunStatusBar } from "./run-status-bar";
import "./run.css";

/** From so wide on there is room for two tabs. */
const SPLIT_REM = 75;
// Figures that change faster can't be read.
const HEAD_MS = 250;

interface RunPageProps {
  readonly runId: string;
  /** From the address; none, or one that there is not, is the one that fits the run. */
  readonly tab: string | undefined;
}

/** One run: its head, its tabs, what it asks, and the bar that goes back in time. */
export default function RunPage({ runId, tab }: RunPageProps) {
  const log = useRun(runId);
  const { runs } = useRuns();
  const listed = runs.find((run) => run.run_id === runId);
  const present = useModel(log);
  const status = statusOf(log, present, listed?.status);
  const isLive = !isEnded(status);
  const replay = useReplay(log, isLive);
  const [replayOpen, setReplayOpen] = useState(false);
  const [details, setDetails] = useState(false);
  // The slider is where it was drawn to at once; what is shown follows, to the newest place and to none between.
  const position = useDeferredValue(replay.position) ?? undefined;
  const model = useModel(log, position);
  const headModel = useSettled(model, HEAD_MS);
  const view = useRunView(runId, listed !== undefined || log.length > 0);
  const workflowName = listed?.workflow ?? view.data?.workflow ?? present.workflow;
  const workflow = useWorkflow(workflowName);
  const [, navigate] = useLocation();

  // What was chosen for someone stays, whatever the run does next.
  const [fitting, setFitting] = useState<TabName | null>(null);
  const fits = fitting ?? fittingTab(workflowName, present);
  if (fitting === null && fits !== null) setFitting(fits);
  const name = tabOf(tab) ?? fits ?? "trace";
  const title = titleOf(runId, listed, view.data);
  const goTo = (next: TabName) => navigate(`/runs/${runId}/${next}`, { replace: true });
  const rewind = () => replay.dispatch(replay.position === null ? { type: "seek", position: 0 } : { type: "leave" });
  const closeReplay = () => {
    replay.dispatch({ type: "leave" });
    setReplayOpen(false);
  };
  const [search] = useSearchParams();
  const at = offsetIn(search);
  const asWas = search.has("replay");
  const copyLink = () => {
    const shown = position === undefined ? pointedOffset() : log.events[position - 1]?.offset;
    copyText(linkTo(`/runs/${runId}/${name}`, shown, position !== undefined), shown === undefined ? "Copied a link to this tab" : "Copied a link to this place");
  };
  const wide = useWide(SPLIT_REM);
  const [split, setSplit] = useRemembered("split", false);
  const [besideTab, setBesideTab] = useRemembered<TabName>("split-tab", "changes");
  const beside = wide && split;
  const besideName = BESIDE.find((each) => each === besideTab && each !== name) ?? BESIDE.find((each) => each !== name) ?? "changes";
  const gone = useRef(false);
  useEffect(() => {
    if (!asWas || at === undefined || gone.current || !log.caughtUp) return;
    gone.current = true;
    replay.dispatch({ type: "seek", position: placeAt(log.length, (index) => log.events[index]?.offset ?? 0, at) + 1 });
  }, [asWas, at, log, replay]);
  useKeys({
    ...Object.fromEntries(TABS.map((each, index) => [String(index + 1), () => goTo(each)])),
    y: copyLink,
    "\\": () => (wide ? setSplit(!split) : false),
    r: () => (log.length > 0 ? rewind() : false),
  });
  const shown = shownStatus(status, openOf(present));
  useTitle(log.end === "gone" ? "No such run" : `${STATUS_WORDS[shown]}: ${title}`);

  const docked = replay.position === null && isLive && openOf(present) > 0;
  const props: TabProps = { runId, log, model, position, at: asWas ? undefined : at, docked: true };
  const tabs = TABS.map((each) => ({ name: each, label: TAB_LABELS[each], content: <TabContent name={each} {...props} /> }));

  if (log.end === "gone") {
    return (
      <EmptyState icon={FileX2} title="There is no such run">
        <p>
          {log.problem ?? "It was deleted, or never was."} <code>{runId}</code>
        </p>
        <Link href="/" className="button button-primary button-md">
          All runs
        </Link>
      </EmptyState>
    );
  }
  if (!log.caughtUp && log.length === 0 && log.problem === null && !listed) return <Loading what="Opening the run…" />;
  const canReplay = log.length > 0 && (isLive || log.caughtUp);
  const barShown = canReplay && (replay.position !== null || (replayOpen && !isLive));
  return (
    <div className={beside ? "run run-split" : "run"}>
      <RunHead
        runId={runId}
        title={title}
        status={position === undefined ? status : model.status}
        present={status}
        replaying={position !== undefined}
        model={headModel}
        queuePosition={listed?.queue_position ?? null}
        view={view.data}
        workflow={workflow}
        workflowName={workflowName}
        canInterruptBelow={name === "chat" && position === undefined}
      />
      <Tabs
        label="Run"
        tabs={tabs}
        value={name}
        onChange={goTo}
        aside={
          <>
            {wide && (
              <IconButton size="sm" icon={Columns2} label={split ? "One view" : "Another tab beside it"} title={`${split ? "One view" : "Another tab beside it"} (\\)`} aria-keyshortcuts="\\" aria-pressed={split} onClick={() => setSplit(!split)} />
            )}
            <Button size="sm" variant="ghost" icon={ChevronDown} aria-expanded={details} onClick={() => setDetails(!details)}>
              Details
            </Button>
            {canReplay && !barShown && (
              <Button
                size="sm"
                variant="ghost"
                icon={History}
                aria-keyshortcuts="r"
                onClick={() => (isLive ? replay.dispatch({ type: "seek", position: log.length }) : setReplayOpen(true))}
              >
                {isLive ? "Rewind" : "Replay"}
              </Button>
            )}
          </>
        }
        below={
          <>
            {details && <RunDetails runId={runId} workflowName={workflowName} createdAt={listed?.created_at ?? view.data?.created_at} model={headModel} view={view.data} />}
            <RunStatusBar model={headModel} problem={log.problem} status={position === undefined ? status : model.status} told={name === "chat"} />
          </>
        }
      />
      {beside && (
        <aside className="run-beside" aria-label="Beside it">
          <Tabs label="Beside it" tabs={BESIDE.flatMap((each) => (each === name ? [] : tabs.filter((tab) => tab.name === each)))} value={besideName} onChange={setBesideTab} />
        </aside>
      )}
      {docked && <AskDock runId={runId} questions={present.questions} permissions={present.permissions} />}
      {barShown && <ReplayBar log={log} replay={replay} chat={present.chat} isLive={isLive} onClose={closeReplay} />}
    </div>
  );
}
