export { gistOf, meaning } from "./meaning.js";
export { durationText, ERROR_TYPE, INTERRUPT_TYPE } from "./notices.js";
export { lineOf } from "./transcript.js";
export { RunModel } from "./run-model.js";
export { modelOf, openOf, statusOf, useModel } from "./use-model.js";
export { time as timeOf } from "./values.js";
export type * from "./types.js";
