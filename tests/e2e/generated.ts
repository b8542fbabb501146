// What openapi-typescript makes of the API, as a program that calls a relay: types are checked by tsc before it runs.
import createClient from "openapi-fetch";
import type { components, paths } from "./api";

const client = createClient<paths, "application/json">({ baseUrl: process.argv[2] });
const asked: components["schemas"]["StartRun"] = { workflow: "command", params: { argv: ["echo", "hello"] } };
const started = await client.POST("/api/v1/workflows", { body: asked });
if (!started.data) throw new Error(JSON.stringify(started.error));
const run_id: string = started.data.run_id;
const state = await client.GET("/api/v1/workflows/{run_id}", { params: { path: { run_id } } });
const listed = await client.GET("/api/v1/workflows", { params: { query: { workflow: "command", limit: 5 } } });
const missing = await client.GET("/api/v1/workflows/{run_id}", { params: { path: { run_id: "nobody" } } });
const runs: string[] = (listed.data?.runs ?? []).map((run) => run.run_id);
console.log(JSON.stringify({ run_id, prompt: state.data?.prompt, runs, missing: missing.response.status }));
