// ComfyUI's page in headless Chromium as the plan asks for it, and what the steps do with it and ask of it.
import { createRequire } from "node:module";
import fs from "node:fs";
import path from "node:path";

export const [, , url, file] = process.argv;
export const plan = JSON.parse(fs.readFileSync(file, "utf8"));
const { chromium } = createRequire(path.join(plan.modules, "x.js"))("playwright-core");

// The profile begins with the page's compiled code of the browser before: a quarter of the time that it takes to open the page.
export const context = await chromium.launchPersistentContext(plan.profile, {
  executablePath: plan.chromium,
  viewport: { width: 1600, height: 1000 },
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--proxy-bypass-list=127.0.0.1;localhost",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"],
});
export const seen = { problems: [], notes: [], examples: {} };
export const page = await context.newPage();

export function watch(tab = page) {
  const note = (text, ours) => (ours ? seen.problems : seen.notes).push(text.split("\n")[0]);
  tab.on("console", (message) => {
    const where = message.location().url;
    if (message.type() === "error") note(`console: ${message.text()}`, /real3d/i.test(`${where} ${message.text()}`) && !where.includes("/view?"));
  });
  tab.on("pageerror", (error) => note(`page error: ${error.message} ${error.stack?.match(/\bat .*/)?.[0] ?? ""}`, /extensions\//.test(error.stack ?? "")));
  tab.on("response", (answer) => {
    if (answer.status() >= 400) note(`${answer.status()} ${new URL(answer.url()).pathname}`, answer.url().includes("/extensions/"));
  });
}

export async function open() {
  const settings = {
    "Comfy.TutorialCompleted": true, "Comfy.Locale": plan.locale ?? "en", "Comfy.InstalledVersion": "1.27.10",
    "Comfy.Workflow.ShowMissingModelsWarning": false, "Comfy.VueNodes.Enabled": Boolean(plan.vue), "Comfy.ColorPalette": plan.light ? "light" : "dark",
    "Comfy.Workflow.Persist": false,
  };
  for (const [key, value] of Object.entries(settings)) {
    await page.request.post(`${url}/api/settings/${key}`, { data: JSON.stringify(value), headers: { "content-type": "application/json" } });
  }
  await copyFiles();
  if (plan.real) await context.route("**/real3d/models", (route) => route.fulfill({ json: { missing: [] } })); // whatever this machine has
  await page.goto(url, { waitUntil: "domcontentloaded" });
  await opened();
  await page.keyboard.press("Escape");
}

/** Waits until a page that was loaded is ready; from then on it counts the workflows that it loads. */
export async function opened(tab = page) {
  await tab.waitForFunction(() => window.app?.graph && window.app?.extensionManager && window.LiteGraph?.registered_node_types?.Real3DCameraPath, null, { timeout: 60000 });
  await tab.waitForTimeout(plan.settle ?? 500);
  await tab.evaluate(() => {
    const { app } = window, load = app.loadGraphData;
    window.loaded = 0;
    app.loadGraphData = async (...values) => {
      try {
        return await load.apply(app, values);
      } finally {
        window.loaded++;
      }
    };
  });
}

/** A second tab of the same browser. */
export async function anotherTab() {
  const tab = await context.newPage();
  watch(tab);
  await tab.goto(url, { waitUntil: "domcontentloaded" });
  await opened(tab);
  return tab;
}

/** Waits for so many animation frames, which take longer on a busy machine. */
export const frames = (count) => page.evaluate(async (count) => {
  for (let i = 0; i < count; i++) await new Promise(requestAnimationFrame);
}, count);

/** Waits on the page's own clock, so that whatever it is to do earlier has been done. */
export const pageTime = (milliseconds) => page.evaluate((milliseconds) => new Promise((done) => setTimeout(done, milliseconds)), milliseconds);

/** Puts the files of the examples into the input folder, so that the page does not ask for them. */
export async function copyFiles() {
  const names = [...new Set(JSON.stringify(plan.examples).match(/real3d_\w+\.\w+/g))];
  await page.request.post(`${url}/real3d/examples`, { data: names });
}

/** Loads a workflow and shows the nodes of these types, or all, as large as they fit. */
export async function load(workflow, types = null) {
  await page.evaluate(async (workflow) => window.app.loadGraphData(workflow), workflow);
  await frames(3);
  await fit(types);
}

/** A workflow whose photos come from nowhere, so that no live face is shown. */
export function withoutPhotos(workflow) {
  const bare = JSON.parse(JSON.stringify(workflow));
  const photos = bare.nodes.filter((node) => node.type === "LoadImage").map((node) => node.id);
  const gone = new Set(bare.links.filter((link) => photos.includes(link[1])).map(([id]) => id));
  bare.links = bare.links.filter(([id]) => !gone.has(id));
  for (const node of bare.nodes) {
    for (const input of node.inputs ?? []) if (gone.has(input.link)) input.link = null;
    for (const output of node.outputs ?? []) output.links = (output.links ?? []).filter((id) => !gone.has(id));
  }
  return bare;
}

export async function fit(types) {
  await page.evaluate((types) => {
    const { graph, canvas } = window.app;
    const nodes = graph.nodes.filter((node) => !types || types.includes(node.type));
    const left = Math.min(...nodes.map((node) => node.pos[0])), right = Math.max(...nodes.map((node) => node.pos[0] + node.size[0]));
    const top = Math.min(...nodes.map((node) => node.pos[1])) - 40, bottom = Math.max(...nodes.map((node) => node.pos[1] + node.size[1]));
    const [room, high] = [window.innerWidth - 160, window.innerHeight - 170];
    const scale = Math.min(room / (right - left), high / (bottom - top), 1.25);
    canvas.ds.scale = scale;
    canvas.ds.offset[0] = 90 / scale - left;
    canvas.ds.offset[1] = 110 / scale - top;
    graph.setDirtyCanvas(true, true);
  }, types);
  await pageTime(160); // elements are refreshed every 150 ms
  await frames(3);
}

/** Makes everything smaller, so that a live picture has 256 px and no other is to come; whether that is so. */
export async function at256(image) {
  const side = () => page.evaluate((image) => document.querySelector(image)?.naturalWidth, image);
  await page.evaluate((image) => {
    const { ds } = window.app.canvas, { width, height } = document.querySelector(image).parentElement.getBoundingClientRect();
    const part = Math.min(1, 250 / Math.min(width, height));
    for (const axis of [0, 1]) ds.offset[axis] /= part;
    ds.scale *= part;
    ds.offset[0] += 120 / ds.scale; // not below the page's side bar
    window.app.graph.setDirtyCanvas(true, true);
  }, image);
  const rests = async () => (await side()) === 256 && (await page.evaluate((image) => document.querySelector(image).parentElement.getAttribute("aria-busy"), image)) === "false";
  return until(rests, 60000);
}

export const screenshot = (name) => page.screenshot({ path: path.join(plan.pictures, `${name}.png`) });
/** For people who want to look; painting takes a third of the time. */
export const picture = (name) => (plan.show ? screenshot(name) : null);
export const values = (type) => page.evaluate((type) => {
  const node = window.app.graph.nodes.find((one) => one.type === type);
  return Object.fromEntries((node.widgets ?? []).filter((widget) => widget.serialize !== false).map((widget) => [widget.name, widget.value]));
}, type);
export const shown = (selector) => page.locator(selector).first();
export async function until(test, milliseconds = 20000) {
  for (const began = Date.now(); Date.now() - began < milliseconds;) {
    if (await test()) return true;
    await page.waitForTimeout(60);
  }
  return false;
}
// A digest of a picture's pixels (FNV-1a), null if it is gone. ComfyUI forbids to fetch a blob, an image may show it.
await context.addInitScript(() => {
  globalThis.pixelsOf = async (source) => {
    const image = new Image();
    image.src = source;
    if (await image.decode().then(() => false, () => true)) return null;
    const { naturalWidth: width, naturalHeight: height } = image;
    const canvas = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
    canvas.drawImage(image, 0, 0);
    let hash = 0x811c9dc5;
    for (const pixel of new Uint32Array(canvas.getImageData(0, 0, width, height).data.buffer)) hash = Math.imul(hash ^ pixel, 0x01000193);
    return `${width}x${height}:${hash >>> 0}`;
  };
});

/** The pixels of a picture as a digest, "" if there is none. */
export const digest = (selector) => page.evaluate(async (selector) => {
  const image = document.querySelector(selector);
  return (image && !image.hidden && image.src && (await globalThis.pixelsOf(image.src))) || "";
}, selector);
/** The rendered picture of the orbit view. */
export const face = () => digest(".r3d-orbit .r3d-stage img:not([hidden])");
/** The same once no other one is to come: the page asks for it 250 ms after the last change, and looks for changes every 150 ms. */
export async function faceAtRest() {
  await until(async () => {
    const before = asked.begun;
    await pageTime(420);
    return asked.begun === before && asked.begun === asked.ended;
  }, 10000);
  return face();
}
const asked = { begun: 0, ended: 0 };
for (const [event, count] of [["request", "begun"], ["requestfinished", "ended"], ["requestfailed", "ended"]]) {
  page.on(event, (request) => { if (request.url().includes("/real3d/head/")) asked[count]++; });
}
export const drawing = () => page.evaluate(() => document.querySelector(".r3d-stage svg:not([hidden]) path")?.getAttribute("d") ?? "");

export async function dragStage(x, y) {
  const box = await shown(".r3d-stage").boundingBox();
  const [cx, cy] = [box.x + box.width / 2, box.y + box.height / 2];
  await page.mouse.move(cx, cy);
  await page.mouse.down();
  for (let i = 1; i <= 5; i++) await page.mouse.move(cx + (x * i) / 5, cy + (y * i) / 5);
  await page.mouse.up();
  await page.waitForTimeout(100); // the page adds to a step of undo what changes in the next 50 ms
}
export const where = (type) => page.evaluate((type) => [...window.app.graph.nodes.find((one) => one.type === type).pos].map(Math.round), type);

export const idOf = (type) => page.evaluate((type) => String(window.app.graph.nodes.find((one) => one.type === type).id), type);

/** What a run of a node would have told the page. */
export async function say(type, output, id = null) {
  id ??= await idOf(type);
  await page.request.post(`${url}/test/say`, { data: { type: "executed", data: { node: id, display_node: id, output, prompt_id: "test" } } });
}
export async function tell(type, data) {
  await page.evaluate((type) => {
    const api = window.app.api ?? window.comfyAPI.api.api;
    window.told = new Promise((done) => api.addEventListener(type, done, { once: true }));
  }, type);
  await page.request.post(`${url}/test/say`, { data: { type, data } });
  await page.evaluate(() => Promise.race([window.told, new Promise((done) => setTimeout(done, 5000))]));
  await pageTime(160);
}

/** Ids of the nodes that show how a rendering gets on. */
export const renderers = () => page.evaluate(() => window.app.graph.nodes.filter((node) => node.widgets?.some((widget) => widget.name === "rendering")).map((node) => String(node.id)));

/** Nodes that overlap, or that stick out of their group. */
export const untidy = () => page.evaluate(() => {
  const { graph } = window.app;
  const meet = ([x, y, w, h], [a, b, c, d]) => x < a + c && a < x + w && y < b + d && b < y + h;
  const inside = ([x, y, w, h], [a, b, c, d]) => x >= a && y >= b && x + w <= a + c && y + h <= b + d;
  const boxes = graph.nodes.map((node) => [node.title, [...node.boundingRect]]);
  const overlapping = boxes.flatMap(([name, box], i) => boxes.slice(0, i).filter(([, other]) => meet(box, other)).map(([other]) => `${name} overlaps ${other}`));
  const groups = graph.groups.map((group) => [group.title, [...group.boundingRect]]);
  return overlapping.concat(boxes.flatMap(([name, box]) => groups.filter(([, group]) => meet(box, group) && !inside(box, group)).map(([group]) => `${name} sticks out of ${group}`)));
});

/**
 * What the orbit views that can be seen say, and what the widgets of their nodes hold, node by node: [id, words, [yaw, pitch, distance],
 * live, whether the picture is the server's for these numbers].
 */
export const heads = () => page.evaluate((token) => {
  const { graph, ds } = window.app.canvas;
  const seen = [...document.querySelectorAll(".r3d-orbit")].filter((element) => element.checkVisibility() && element.getBoundingClientRect().width);
  return Promise.all(seen.map(async (element) => {
    const box = element.getBoundingClientRect();
    const [x, y] = [(box.x + box.width / 2) / ds.scale - ds.offset[0], (box.y + box.height / 2) / ds.scale - ds.offset[1]];
    const node = graph.nodes.findLast(({ pos, size }) => x > pos[0] && x < pos[0] + size[0] && y > pos[1] && y < pos[1] + size[1]);
    const place = ["view_yaw", "view_pitch", "view_distance"].map((name) => node?.widgets.find((widget) => widget.name === name).value);
    const image = element.querySelector("img"), [yaw, pitch, distance] = place;
    const address = `/api/real3d/head/${token}?yaw=${yaw}&pitch=${pitch}&distance=${distance}&side=${image.naturalWidth}`;
    const right = image.hidden || (image.naturalWidth > 0 && (await globalThis.pixelsOf(image.src)) === (await globalThis.pixelsOf(address)));
    return [String(node?.id), element.querySelector(".r3d-numbers").textContent, place, !image.hidden, right];
  }));
}, plan.head);
/** The same once the first of them shows the head and all of them their own numbers, or after a while as it is. */
export async function headsAtRest() {
  let all = [];
  await until(async () => {
    all = await heads();
    return all[0]?.[3] && all.every(([, words, [yaw], , right]) => right && words.includes(`yaw ${yaw}°`));
  });
  return all;
}
export async function press(keys) {
  const before = await page.evaluate(() => window.loaded);
  await page.keyboard.press(keys);
  if (/\+[zy]$/.test(keys)) await until(() => page.evaluate((before) => window.loaded > before, before)); // undo loads the whole workflow
  await frames(3);
}
