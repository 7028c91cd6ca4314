// Opens ComfyUI's page in headless Chromium, loads the examples, uses the pack's widgets, takes pictures, and prints what it saw as JSON.
//
//   node look.mjs URL PLAN.json
//
// PLAN.json: {modules, chromium, profile, real: whether that is a real ComfyUI, pictures, show: whether they are taken, vue, light, locale,
// examples: {name: workflow}, said: {node type: output of a run}, steps: [...], run: name of an example to queue}. What is true or false
// of the page is for the caller to judge.
import * as faceSteps from "./face_steps.mjs";
import * as headSteps from "./head_steps.mjs";
import { context, open, plan, screenshot, seen, watch } from "./page.mjs";
import * as monkeySteps from "./monkey_steps.mjs";
import * as runSteps from "./run_steps.mjs";
import * as tabsSteps from "./tabs_steps.mjs";
import * as workflowSteps from "./workflow_steps.mjs";

const steps = { ...faceSteps, ...headSteps, ...monkeySteps, ...runSteps, ...tabsSteps, ...workflowSteps };

let status = 0;
try {
  watch();
  await open();
  for (const [name, ...rest] of plan.steps) await steps[name](...rest);
} catch (error) {
  seen.failure = String(error.stack ?? error);
  await screenshot("failure").catch(() => {});
  status = 1;
} finally {
  await context.close();
}
process.stdout.write(`${JSON.stringify(seen)}\n`, () => process.exit(status)); // once all of it is out
