export { API, call, callRaw, newId, pathOf } from "./http";
export { Problem, type Fault } from "./problem";
export * from "./queries";
export { ROOT_PATH } from "./root-path";
export * from "./runs";
export { getToken, onToken, setToken, takeTokenFromAddress, tokenRefused, useToken } from "./token";
export type * from "./types";
