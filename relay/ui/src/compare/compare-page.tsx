import { ArrowLeftRight } from "lucide-react";
import { useLocation } from "wouter";
import { TabContent } from "../tabs/tab-content";
import { defaultTab, TAB_LABELS, tabOf, TABS, type TabName } from "../tabs/names";
import { Button } from "../ui";
import { useKeys } from "../ui/keys";
import { useTitle } from "../ui/title";
import "./compare.css";
import { CompareHead } from "./compare-head";
import { useSide } from "./side";

interface ComparePageProps {
  readonly a: string;
  readonly b: string;
  readonly tab: string | undefined;
}

/** Two runs beside one another, with the same tab open. */
export default function ComparePage({ a, b, tab }: ComparePageProps) {
  const sides = [useSide(a), useSide(b)] as const;
  const [, navigate] = useLocation();
  const name = tabOf(tab) ?? defaultTab(sides[0].workflow);
  const goTo = (next: TabName) => navigate(`/compare/${a}/${b}/${next}`, { replace: true });
  useKeys(Object.fromEntries(TABS.map((each, index) => [String(index + 1), () => goTo(each)])));
  useTitle(`${sides[0].title} and ${sides[1].title}`);

  return (
    <div className="compare">
      <h1 className="sr-only">Two runs compared</h1>
      <CompareHead sides={sides} />
      <div className="compare-tools">
        <div className="compare-tabs" role="group" aria-label="What is compared">
          {TABS.map((each) => (
            <Button key={each} size="sm" variant="ghost" aria-pressed={each === name} onClick={() => goTo(each)}>
              {TAB_LABELS[each]}
            </Button>
          ))}
        </div>
        <Button size="sm" variant="ghost" icon={ArrowLeftRight} onClick={() => navigate(`/compare/${b}/${a}/${name}`, { replace: true })}>
          Swap
        </Button>
      </div>
      <div className="compare-sides">
        {sides.map(({ runId, title, log, model }, index) => (
          <section key={`${index} ${runId}`} className="compare-side" aria-label={`${TAB_LABELS[name]} of ${title}`}>
            {log.end === "gone" ? <p className="loading">There is no such run.</p> : <TabContent name={name} runId={runId} log={log} model={model} position={undefined} docked={false} />}
          </section>
        ))}
      </div>
    </div>
  );
}
