import type { ListPage } from "./protocol.js";
import type { RunSummary } from "./types.js";

/** The rows of the list, from its pages and from what the feed tells. */
export class Rows {
  /** Cursor of the page after the last one; null if there is none. */
  next: string | null = null;
  loaded = false;
  readonly #rows = new Map<string, RunSummary>();
  #sorted: readonly RunSummary[] | null = [];

  get(runId: string): RunSummary | undefined {
    return this.#rows.get(runId);
  }

  /** The newest first. The same array until something changes. */
  sorted(): readonly RunSummary[] {
    this.#sorted ??= [...this.#rows.values()].sort(newestFirst);
    return this.#sorted;
  }

  put(row: RunSummary): void {
    this.#rows.set(row.run_id, row);
    this.#sorted = null;
  }

  remove(runId: string): void {
    if (this.#rows.delete(runId)) this.#sorted = null;
  }

  /** The first page: what it should have and has not was removed. Rows of `newer` are more recent than the page. */
  putFirst(page: ListPage, newer: ReadonlySet<string>): void {
    const there = new Set(page.runs.map((row) => row.run_id));
    const oldest = page.next === null ? undefined : page.runs.at(-1);
    for (const row of this.#rows.values()) {
      const within = oldest === undefined || newestFirst(row, oldest) < 0;
      if (within && !there.has(row.run_id) && !newer.has(row.run_id)) this.#rows.delete(row.run_id);
    }
    for (const row of page.runs) if (!newer.has(row.run_id)) this.#rows.set(row.run_id, row);
    if (!this.loaded) this.next = page.next;
    this.loaded = true;
    this.#sorted = null;
  }

  /** The page after the last one. */
  putNext(page: ListPage): void {
    for (const row of page.runs) if (!this.#rows.has(row.run_id)) this.#rows.set(row.run_id, row);
    this.next = page.next;
    this.#sorted = null;
  }
}

function newestFirst(a: RunSummary, b: RunSummary): number {
  if (a.created_at !== b.created_at) return a.created_at < b.created_at ? 1 : -1;
  return a.run_id < b.run_id ? 1 : a.run_id > b.run_id ? -1 : 0;
}
