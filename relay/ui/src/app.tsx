import { lazy } from "react";
import { Route, Switch } from "wouter";
import { NotFound } from "./layout/not-found";
import { Shell } from "./layout/shell";
import { fetchTab } from "./tabs/tab-content";
import { RunNav } from "./runs/run-nav";
import { RunsPage } from "./runs/runs-page";

// The list is the first screen; whatever shows runs from the inside comes when it is wanted.
const fetchRunPage = () => import("./run/run-page");
const RunPage = lazy(fetchRunPage);
const Palette = lazy(() => import("./runs/palette"));
const ComparePage = lazy(() => import("./compare/compare-page"));

/** Fetch the code of a run's page, and of its tab, side by side. */
export function fetchRunCode(tab: string | undefined): void {
  fetchRunPage().catch(() => undefined); // who draws it tells
  fetchTab(tab);
}

export function App() {
  return (
    <Shell nav={<RunNav />} palette={(onClose) => <Palette onClose={onClose} />}>
      <Switch>
        <Route path="/">
          <RunsPage />
        </Route>
        <Route path="/runs/:id/:tab?">{({ id, tab }) => <RunPage key={id} runId={id} tab={tab} />}</Route>
        <Route path="/compare/:a/:b/:tab?">{({ a, b, tab }) => <ComparePage a={a} b={b} tab={tab} />}</Route>
        <Route>
          <NotFound />
        </Route>
      </Switch>
    </Shell>
  );
}
