import { QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { Router } from "wouter";
import { API, createQueryClient, getToken, onToken, ROOT_PATH, takeTokenFromAddress, tokenRefused } from "./api";
import { App, fetchRunCode } from "./app";
import { createClient, StreamProvider } from "./stream";
import "@fontsource-variable/inter/wght.css";
import "./styles/tokens.css";
import "./styles/base.css";
import { restoreTheme } from "./theme/theme";

const root = document.getElementById("root");
if (root === null) throw new Error("index.html has no #root");

restoreTheme();
takeTokenFromAddress();

const queries = createQueryClient();
let token = getToken();
const client = createClient({ base: API, token, onUnauthorized: () => (tokenRefused(token), undefined) });
onToken(() => {
  if (getToken() === token) return;
  token = getToken();
  client.setToken(token);
  void queries.invalidateQueries();
});

// Of a run, its lines and the code that shows them come side by side.
const [, runId, tab] = /^\/runs\/([a-z0-9-]+)(?:\/([a-z]+))?/.exec(location.pathname.slice(ROOT_PATH.length)) ?? [];
if (runId !== undefined) {
  client.subscribeRun(runId, () => undefined)(); // it lingers until the page is there
  fetchRunCode(tab);
}

createRoot(root).render(
  <StrictMode>
    <QueryClientProvider client={queries}>
      <StreamProvider client={client}>
        <Router base={ROOT_PATH}>
          <App />
        </Router>
      </StreamProvider>
    </QueryClientProvider>
  </StrictMode>,
);
