// Steps around a run: what the nodes show of a motion and of a rendering, told by the test server or by a real one.
import { dragStage, faceAtRest, fit, idOf, load, page, picture, plan, press, say, seen, shown, tell, until, url } from "./page.mjs";

export async function motion(example) {
  const type = "Real3DAudioToMotion";
  await load(plan.examples[example], [type]);
  const told = { hint: await shown(".r3d-motion .r3d-empty").innerText(), hinted: await shown(".r3d-motion .r3d-empty").isVisible() };
  await picture("motion_hint");
  if (plan.motion) await say(type, plan.motion);
  await until(async () => (await page.locator(".r3d-motion .r3d-curve").count()) > 0);
  told.curves = await page.locator(".r3d-motion .r3d-curve").count();
  told.wave = await page.locator(".r3d-motion .r3d-wave").count();
  const box = await shown(".r3d-motion-track").boundingBox();
  await page.mouse.move(box.x + box.width * 0.25, box.y + 20);
  await page.waitForTimeout(100);
  told.quarter = await shown(".r3d-legend").innerText();
  await page.mouse.move(box.x + box.width * 0.6, box.y + 20);
  await page.waitForTimeout(100);
  told.later = await shown(".r3d-legend").innerText();
  await picture("motion");
  await shown(".r3d-motion-track").focus();
  await page.mouse.move(5, 5);
  await page.keyboard.press("End");
  told.end = await shown(".r3d-motion-track").getAttribute("aria-valuenow");
  if (plan.motion) {
    // the page is opened anew, and the next run takes the node from the cache
    await load(plan.examples[example], [type]);
    told.reopened = await page.locator(".r3d-motion .r3d-curve").count();
    const id = await idOf(type);
    await page.request.post(`${url}/test/ran`, { data: { [id]: plan.motion } });
    await tell("execution_cached", { prompt_id: "again", nodes: [id] });
    await tell("executing", { node: null, prompt_id: "again" });
    await until(async () => (await page.locator(".r3d-motion .r3d-curve").count()) > 0);
    told.cached = await page.locator(".r3d-motion .r3d-curve").count();
  }
  seen.motion = told;
}

export async function rendering(example) {
  const type = "Real3DTalkingPortrait";
  await load(plan.examples[example], [type]);
  const id = await idOf(type);
  const told = { idle: await shown(".r3d-rendering .r3d-empty").innerText() };
  await tell("real3d.rendering", { node: id, done: 12, total: 60, fps: 8.25, picture: plan.frame });
  told.running = await shown(".r3d-rendering output").innerText();
  await tell("real3d.rendering", { node: id, done: 12, total: 60, fps: 0.043, picture: plan.frame });
  told.slow = await shown(".r3d-rendering output").innerText();
  told.picture = await shown(".r3d-rendering img").evaluate((image) => image.naturalWidth);
  await fit([type]);
  await picture("rendering");
  let interrupted = false;
  await page.route("**/interrupt", (route) => { interrupted = true; route.fulfill({ status: 200, body: "" }); });
  await shown(".r3d-rendering button").click();
  told.cancelling = await shown(".r3d-rendering output").innerText();
  told.interrupted = interrupted || (await until(async () => interrupted, 1000));
  await tell("execution_interrupted", { prompt_id: "test", node_id: id, node_type: type, executed: [] });
  told.cancelled = await shown(".r3d-rendering output").innerText();
  await tell("real3d.rendering", { node: "no:such", done: 1, total: 2, fps: 1, picture: plan.frame });
  seen.rendering = told;
}

/** Queues an example on a real server and looks at its nodes afterwards. */
export async function run(example, types, changes) {
  await load(plan.examples[example], types);
  if (!(await page.locator(".r3d-stage").count())) return; // Nodes 2.0 of 2025
  const end = page.evaluate((changes) => new Promise((done) => {
    const api = window.app.api ?? window.comfyAPI.api.api;
    for (const node of window.app.graph.nodes) {
      for (const widget of node.widgets ?? []) if (widget.name in changes) widget.value = changes[widget.name];
    }
    for (const kind of ["execution_success", "execution_error", "execution_interrupted"]) {
      api.addEventListener(kind, ({ detail }) => done(`${kind} ${detail?.exception_message ?? ""}`), { once: true });
    }
    window.app.queuePrompt(0);
    setTimeout(() => done("timeout"), 200000);
  }), changes);
  const running = await until(async () => (await page.locator('.r3d-rendering[data-state="running"]').count()) > 0, 60000);
  if (running) await picture(`run_${example}_during`);
  seen.run = { end: await end, running };
  await page.waitForTimeout(1500);
  await fit(types);
  seen.run.face = await faceAtRest();
  seen.run.told = await page.locator(".r3d-rendering output").allInnerTexts();
  seen.run.curves = await page.locator(".r3d-motion .r3d-curve").count();
  await picture(`run_${example}_after`);
  await dragStage(-90, 20);
  seen.run.faceTurned = await faceAtRest();
  await picture(`run_${example}_turned`);
  await press("Control+z");
  seen.run.faceUndone = await faceAtRest();
  await picture(`run_${example}_undone`);
}

/** Queues an example on a real server and cancels it with the node's own button. */
export async function cancel(example, types, changes) {
  await load(plan.examples[example], types);
  if (!(await page.locator(".r3d-stage").count())) return;
  const end = page.evaluate((changes) => new Promise((done) => {
    const api = window.app.api ?? window.comfyAPI.api.api;
    for (const node of window.app.graph.nodes) {
      for (const widget of node.widgets ?? []) if (widget.name in changes) widget.value = changes[widget.name];
    }
    for (const kind of ["execution_success", "execution_error", "execution_interrupted"]) api.addEventListener(kind, () => done(kind), { once: true });
    window.app.queuePrompt(0);
    setTimeout(() => done("timeout"), 100000);
  }), changes);
  const button = page.locator('.r3d-rendering[data-state="running"] button').first();
  await button.waitFor({ timeout: 90000 });
  await button.evaluate((one) => one.click()); // the node has grown: the button may be out of sight
  const told = await page.locator(".r3d-rendering output").allInnerTexts();
  const began = Date.now();
  seen.cancel = { told, end: await end, seconds: (Date.now() - began) / 1000 };
  await page.waitForTimeout(300);
  seen.cancel.after = await page.locator(".r3d-rendering output").allInnerTexts();
  await picture("cancelled");
}
