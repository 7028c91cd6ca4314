// Steps on the live face of 'Direct the face': sliders, the head and the eyes under the pointer, keys, undo, runs and lost connections.
import { at256, digest, idOf, load, page, picture, plan, press, say, seen, shown, tell, until, values } from "./page.mjs";
import { small } from "./monkey_steps.mjs";

const TYPE = "Real3DDirectTheFace";
const IMAGE = ".r3d-face .r3d-stage img";
const face = () => digest(IMAGE);
const hint = () => shown(".r3d-face .r3d-empty").innerText();
const changedFrom = (before) => until(async () => !["", before].includes(await face()), 60000);

/** The picture once no other one is to come, as text. */
async function atRest(stage = ".r3d-face .r3d-stage") {
  await page.evaluate(async (stage) => {
    for (let calm = 0, began = performance.now(); calm < 2 && performance.now() - began < 60000;) { // it looks for changes every 150 ms
      await new Promise((done) => setTimeout(done, 160));
      calm = document.querySelector(stage)?.getAttribute("aria-busy") === "false" ? calm + 1 : 0;
    }
  }, stage);
  return digest(`${stage} img:not([hidden])`);
}

const slide = (name, value) => page.locator(`.r3d-face input[aria-label="${name}"]`).first().evaluate((range, value) => {
  range.value = value;
  range.dispatchEvent(new Event("input", { bubbles: true }));
  range.dispatchEvent(new Event("change", { bubbles: true }));
}, String(value));

async function dragFace(x, y, modifier = null) {
  const box = await shown(".r3d-face .r3d-stage").boundingBox();
  const [cx, cy] = [box.x + box.width / 2, box.y + box.height / 2];
  if (modifier) await page.keyboard.down(modifier);
  await page.mouse.move(cx, cy);
  await page.mouse.down();
  for (let i = 1; i <= 5; i++) await page.mouse.move(cx + (x * i) / 5, cy + (y * i) / 5);
  await page.mouse.up();
  if (modifier) await page.keyboard.up(modifier);
  await page.waitForTimeout(200);
}

/** Opens an example whose face is directed by sliders alone. */
async function open(example) {
  const workflow = JSON.parse(JSON.stringify(plan.examples[example]));
  const node = workflow.nodes.find((one) => one.type === TYPE);
  [node.widgets_values[1], node.widgets_values[2]] = [0, ""]; // amount and keyframes
  await load(workflow, [TYPE]);
}

/** Whether there is a face; Nodes 2.0 of 2025 shows no elements of packs. */
const appears = () => until(() => page.locator(".r3d-face").count(), 30000);

export async function direct(example) {
  await open(example);
  if (!(await appears())) return;
  const told = {};
  told.appeared = await changedFrom("");
  told.rest = await atRest();
  await picture("face_rest");
  told.before = await values(TYPE);
  await slide("Mouth: Jaw", 0.8);
  told.slid = (await values(TYPE)).jaw_open;
  told.jaw = (await changedFrom(told.rest)) && (await atRest());
  await slide("Mouth: Jaw", 0);
  told.back = (await changedFrom(told.jaw)) && (await atRest());
  await page.getByRole("tab", { name: "Eyes" }).first().click();
  const range = page.locator('.r3d-face input[aria-label="Eyes: Gaze to the side"]').first();
  await range.focus();
  for (let i = 0; i < 5; i++) await page.keyboard.press("ArrowRight");
  told.keyed = (await values(TYPE)).gaze_x;
  await picture("face_sliders");
  await page.keyboard.press("Control+z");
  await until(async () => (await values(TYPE)).gaze_x !== told.keyed);
  told.undone = (await values(TYPE)).gaze_x;
  await dragFace(60, -30);
  told.dragged = await values(TYPE);
  await dragFace(50, 0, "Shift");
  told.rolled = await values(TYPE);
  told.turned = (await changedFrom(told.rest)) && (await atRest());
  await picture("face_turned");
  await press("Control+z");
  told.unrolled = (await values(TYPE)).head_roll;
  told.turnedBack = await atRest();
  await shown(".r3d-face .r3d-stage").focus();
  for (const key of ["ArrowRight", "ArrowDown", "Shift+ArrowLeft"]) await page.keyboard.press(key);
  told.arrows = await values(TYPE);
  await page.keyboard.press("Home");
  told.home = await values(TYPE);
  // the eyes follow the pointer; a click keeps them there
  await page.getByRole("button", { name: "Eyes follow" }).first().click();
  const straight = await atRest();
  const box = await shown(".r3d-face .r3d-stage").boundingBox();
  await page.mouse.move(box.x + box.width / 2 + 60, box.y + box.height / 2 - 40);
  told.followed = await changedFrom(straight);
  told.unset = (await values(TYPE)).gaze_x;
  await page.mouse.down();
  await page.mouse.up();
  told.looking = await values(TYPE);
  await picture("face_eyes");
  await page.getByRole("button", { name: "Eyes follow" }).first().click();
  await page.getByRole("button", { name: "Reset" }).first().click();
  told.reset = await values(TYPE);
  told.end = (await changedFrom(straight)) && (await atRest());
  seen.direct = told;
}

/** Keyframes of the face: set by a slider at the playhead, mirrored, copied, pasted, undone, scrubbed and played; ways of controls. */
export async function faceKeys(example) {
  const text = async () => (await values(TYPE)).keyframes;
  const press = (name) => page.locator(".r3d-face").getByRole("button", { name }).first().click();
  await load(plan.examples[example], [TYPE]);
  const told = { before: await text() };
  await changedFrom("");
  const first = await atRest();
  const track = shown(".r3d-face .r3d-track");
  const go = async (share) => {
    const box = await track.boundingBox();
    await page.mouse.click(box.x + box.width * share, box.y + 4);
    return atRest();
  };
  told.count = await page.locator(".r3d-face .r3d-key").count();
  told.scrubbed = [first, await go(0.2), await go(0.45)];
  told.smile = Number(await page.locator('.r3d-face input[aria-label="Expressions: Smile"]').first().inputValue());
  told.scrubbed.push(await go(0.002));
  await go(0.75);
  await slide("Eyes: Gaze to the side", -0.4);
  told.set = await text();
  const easing = page.locator(".r3d-face .r3d-easing").first();
  told.lastEasing = await easing.isDisabled();
  await go(0.45);
  await easing.selectOption("hold");
  told.eased = await text();
  const here = await atRest();
  told.held = here === (await go(0.6));
  await easing.focus();
  await page.keyboard.press("Control+z");
  await until(async () => (await text()) === told.set);
  told.uneased = await text();
  await go(0.75);
  await press("Mirror the face, left and right");
  told.mirrored = await text();
  await press("Copy the face");
  await go(0);
  await press("Paste the copied face here");
  told.pasted = await text();
  await page.evaluate(() => document.activeElement?.blur());
  await page.keyboard.press("Control+z");
  await until(async () => (await text()) !== told.pasted);
  told.undone = await text();
  await page.waitForTimeout(300);
  await picture("face_keys");
  await shown(".r3d-face .r3d-track").focus();
  await page.keyboard.press("End");
  told.end = await shown(".r3d-face .r3d-track").getAttribute("aria-valuenow");
  await page.keyboard.press("Home");
  await press("Play");
  await until(async () => Number(await shown(".r3d-face .r3d-track").getAttribute("aria-valuenow")) > 0.2, 10000);
  told.playing = Number(await shown(".r3d-face .r3d-track").getAttribute("aria-valuenow"));
  await press("Pause");
  const paused = await shown(".r3d-face .r3d-track").getAttribute("aria-valuenow");
  await page.waitForTimeout(400);
  told.paused = paused === (await shown(".r3d-face .r3d-track").getAttribute("aria-valuenow"));
  if (plan.motion) await say("Real3DAudioToMotion", plan.motion);
  await until(async () => (await page.locator(".r3d-face .r3d-track .r3d-curve").count()) > 0);
  told.drawn = [await page.locator(".r3d-face .r3d-track .r3d-curve").count(), await page.locator(".r3d-face .r3d-track .r3d-wave").count()];
  await page.getByRole("tab", { name: "Mouth" }).first().click();
  const way = page.getByRole("button", { name: /^Jaw: / }).first();
  for (const name of ["replace", "scale"]) {
    await way.click();
    told[name] = (await values(TYPE)).ways;
  }
  await picture("face_speech");
  // a face is kept, and shown again in another node
  await page.evaluate(() => { window.app.extensionManager.dialog.prompt = async () => "Greeting"; });
  await page.getByRole("tab", { name: "Expressions" }).first().click();
  await slide("Expressions: Smile", 0.65);
  await page.locator(".r3d-face").getByRole("button", { name: "Save …" }).first().click();
  const list = page.locator('.r3d-face select[aria-label="Saved faces"]').first();
  await until(async () => (await list.inputValue()) === "Greeting");
  told.saved = await list.inputValue();
  await open(example);
  await list.focus();
  await until(async () => (await list.locator("option").count()) === 2);
  await list.selectOption("Greeting");
  told.loaded = await values(TYPE);
  await picture("face_saved");
  await page.locator(".r3d-face").getByRole("button", { name: "Delete", exact: true }).first().click();
  await until(async () => (await list.locator("option").count()) === 1);
  told.forgotten = await list.locator("option").count();
  seen.faceKeys = told;
}

/** The live picture of other nodes, before any run: from elsewhere, at another moment, and as large as the node. */
export async function scenes(path, simple, edited) {
  const told = {};
  const visible = ".r3d-orbit .r3d-stage img:not([hidden])", size = () => page.locator(visible).first().evaluate((image) => image.naturalWidth);
  const become = (selector, before) => until(async () => !["", before].includes(await digest(selector)), 60000);
  for (const [name, example, type] of [["path", path, "Real3DCameraPath"], ["simple", simple, "Real3DTalkingPortrait"]]) {
    await load(plan.examples[example], [type]);
    const appeared = await become(visible, "");
    const front = await atRest(".r3d-orbit .r3d-stage");
    await picture(`scene_${name}`);
    const box = await shown(".r3d-orbit .r3d-stage").boundingBox();
    await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width / 2 + 50, box.y + box.height / 2, { steps: 4 });
    await page.mouse.up();
    told[name] = { appeared, turned: await become(visible, front), yaw: (await values(type)).view_yaw, size: await size(), hint: await shown(".r3d-orbit .r3d-hint").innerText() };
    if (name !== "path") continue;
    const still = await atRest(".r3d-orbit .r3d-stage"), track = await shown(".r3d-orbit .r3d-track").boundingBox();
    await page.mouse.click(track.x + track.width * 0.3, track.y + 4);
    told.scrubbed = await become(visible, still);
    await page.evaluate((type) => window.app.graph.nodes.find((one) => one.type === type).setSize([620, 1400]), type);
    told.grown = await until(async () => (await size()) === 512, 60000);
  }
  if (plan.motion) {
    const selector = ".r3d-scene .r3d-stage img";
    await load(plan.examples[edited], ["Real3DEditMotion"]);
    told.hint = await shown(".r3d-scene .r3d-empty").innerText();
    await say("Real3DEditMotion", { ...plan.motion, real3d_source: [plan.source], real3d_second: [] });
    told.edited = await become(selector, "");
    const first = await atRest(".r3d-scene .r3d-stage"), line = await shown(".r3d-scene .r3d-track").boundingBox();
    await page.mouse.click(line.x + line.width * 0.34, line.y + 5);
    told.moment = await become(selector, first);
    await picture("scene_edit");
  }
  seen.scenes = told;
}

/** On a real server: the film of an example's first `seconds`, 256 px large, and what the strip shows at some of its moments. */
export async function filmed(example, seconds, moments) {
  const workflow = small(plan.examples[example]);
  workflow.nodes.find((one) => one.type === TYPE).widgets_values[3] = seconds;
  await load(workflow, [TYPE]);
  if (!(await appears())) return;
  const film = page.evaluate(() => new Promise((done) => {
    const api = window.app.api ?? window.comfyAPI.api.api;
    api.addEventListener("executed", ({ detail }) => {
      const file = Object.values(detail.output).flat().find((one) => one?.filename?.endsWith(".mp4"));
      if (file) done(file);
    });
    for (const kind of ["execution_error", "execution_interrupted"]) api.addEventListener(kind, ({ detail }) => done(String(detail?.exception_message)), { once: true });
    window.app.queuePrompt(0);
    setTimeout(() => done("timeout"), 200000);
  }));
  const told = { film: await film, strip: [] };
  told.side = await at256(IMAGE);
  for (const moment of moments) {
    const track = shown(".r3d-face .r3d-track"), box = await track.boundingBox();
    await page.mouse.click(box.x + (box.width * moment) / Number(await track.getAttribute("aria-valuemax")), box.y + 3);
    await atRest();
    told.strip.push(await page.evaluate(async (image) => {
      const { src, naturalWidth, naturalHeight } = document.querySelector(image), shown = new Image();
      shown.src = src;
      await shown.decode();
      const canvas = Object.assign(document.createElement("canvas"), { width: naturalWidth, height: naturalHeight });
      canvas.getContext("2d").drawImage(shown, 0, 0);
      return [Number(document.querySelector(".r3d-face .r3d-track").getAttribute("aria-valuenow")), canvas.toDataURL().split(",")[1]];
    }, IMAGE));
  }
  seen.filmed = told;
}

/** What is asked of the server while a workflow runs, the tab is hidden, or the connection is lost; and what is released. */
export async function manners(example) {
  await open(example);
  await changedFrom("");
  const rest = await atRest();
  const asked = [];
  page.on("request", (request) => { if (request.url().includes("/real3d/live")) asked.push(new URL(request.url()).pathname.split("/real3d/")[1]); });
  const told = {};
  await tell("status", { status: { exec_info: { queue_remaining: 1 } }, exec_info: { queue_remaining: 1 } });
  await slide("Mouth: Jaw", 0.5);
  await page.waitForTimeout(800);
  told.whileRunning = asked.length;
  await tell("status", { status: { exec_info: { queue_remaining: 0 } }, exec_info: { queue_remaining: 0 } });
  told.afterwards = await changedFrom(rest);
  const opened = await atRest();
  await page.evaluate(() => Object.defineProperty(document, "hidden", { configurable: true, get: () => true }));
  asked.length = 0;
  await slide("Mouth: Jaw", 0);
  await page.waitForTimeout(800);
  told.whileHidden = asked.length;
  await page.evaluate(() => delete document.hidden);
  told.back = await changedFrom(opened);
  await page.route("**/real3d/live", (route) => route.abort());
  await slide("Mouth: Jaw", 0.7);
  told.lost = await until(async () => (await hint()).includes("does not answer"));
  const before = await face(); // it stays busy, since another picture is to come
  await picture("face_lost");
  await page.unroute("**/real3d/live");
  told.healed = (await changedFrom(before)) && (await until(async () => !(await hint())));
  seen.problems = seen.problems.filter((one) => !one.includes("ERR_FAILED")); // the lost connection, as the browser sees it
  // another photo, which takes a while to prepare
  const healed = await atRest(), photo = (name) => page.evaluate((name) => { window.app.graph.nodes.find((node) => node.type === "LoadImage").widgets[0].value = name; }, name);
  await page.route("**/real3d/live", (route) => setTimeout(() => route.continue().catch(() => {}), 2000));
  await photo("real3d_portrait_2.jpg");
  told.preparing = await until(async () => (await hint()).startsWith("Preparing"));
  await picture("face_preparing");
  await page.unroute("**/real3d/live");
  told.prepared = (await changedFrom(healed)) && (await until(async () => !(await hint())));
  // another photo that is not there, then one by a node that has not run
  await photo("../nobody.jpg");
  told.refused = (await until(async () => (await hint()).startsWith("The photo"))) && (await hint());
  await page.evaluate(() => window.app.graph.nodes.find((node) => node.type === "Real3DPreparePortrait").disconnectInput(0));
  told.unknown = (await until(async () => (await hint()).startsWith("Run"))) && (await hint());
  await picture("face_unknown");
  asked.length = 0;
  await page.evaluate((type) => window.app.graph.remove(window.app.graph.nodes.find((node) => node.type === type)), TYPE);
  told.released = await until(() => asked.includes("live/release"));
  await page.waitForTimeout(500);
  told.afterRemoval = asked.filter((name) => name === "live").length;
  told.images = await page.locator(IMAGE).count();
  seen.manners = told;
}
